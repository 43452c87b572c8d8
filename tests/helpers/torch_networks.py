"""The published networks in PyTorch, with the names of their parameters: the oracle of imported weights."""

import torch
from torch import nn

from tests.helpers.published_networks import MOBILENET_BLOCKS, RESNET_STAGES


class SeparableBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv_dw = nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False)
        self.bn_dw = nn.BatchNorm2d(inputs)
        self.conv_sep = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn_sep = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = self.bn_dw(self.conv_dw(x)).relu()
        return self.bn_sep(self.conv_sep(x)).relu()


class MobileNet(nn.Module):
    """3DDFA's, whose stem has so many channels."""

    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for name, (multiple, stride) in MOBILENET_BLOCKS.items():
            self.add_module(name, SeparableBlock(inputs, multiple * width, stride))
            inputs = multiple * width
        self.fc = nn.Linear(inputs, 62)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        for name in MOBILENET_BLOCKS:
            x = self.get_submodule(name)(x)
        return self.fc(x.mean(dim=(2, 3)))


class Bottleneck(nn.Module):
    def __init__(self, inputs, channels, stride, projected):
        super().__init__()
        width = 4 * channels
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        if projected:
            shortcut = nn.Conv2d(inputs, width, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(width))
        else:
            self.downsample = nn.Identity()

    def forward(self, x):
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        return (self.bn3(self.conv3(y)) + self.downsample(x)).relu()


class ResNet50(nn.Module):
    """2DASL's: four channels, a last stage without stride."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(4, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        inputs = 64
        for stage, (blocks, channels, stride) in enumerate(RESNET_STAGES, start=1):
            layers = []
            for block in range(blocks):
                first = block == 0
                layers.append(Bottleneck(inputs, channels, stride if first else 1, first))
                inputs = 4 * channels
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
        self.avgpool = nn.AvgPool2d(7, stride=2)
        self.fc = nn.Linear(inputs, 62)

    def forward(self, x):
        x = self.maxpool(self.bn1(self.conv1(x)).relu())
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


@torch.no_grad()
def outputs(network, state, inputs):
    """Returns what a network with these weights says of inputs (B, 120, 120, C) in its own order of channels."""
    network.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    batches = torch.from_numpy(inputs.transpose(0, 3, 1, 2).copy()).split(50)
    return torch.cat([network.eval()(batch) for batch in batches]).numpy()
