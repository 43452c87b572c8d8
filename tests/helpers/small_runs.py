"""A small training step with every loss term: networks that compile in a second, and formula faces."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from tests.helpers import formula_faces
from twodasl_jax import losses
from twodasl_jax.data.augmentation import Augmentation, SimulatedDetector
from twodasl_jax.geometry.coefficients import Coefficients, official_from_coefficients
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.geometry.projection import affine_from_camera
from twodasl_jax.networks import BatchGroups, BatchNorm
from twodasl_jax.training.recipe import CriticRecipe, Recipe
from twodasl_jax.training.settings import LossWeights
from twodasl_jax.training.state import AnnotatedFaces, LabelledFaces, TrainBatch

ALL_LOSSES = LossWeights(
    wpdc=1.0,
    pdc=0.1,
    vdc=1.0,
    coefficients=0.01,
    prior=0.001,
    l_2d_con=0.5,
    l_3d_con=0.5,
    l_cyc=0.5,
    l_sc=0.05,
)


class SmallNet(nn.Module):
    """A regressor of one strided convolution, BatchNorm and a dense layer."""

    output_size: int = 62
    groups: BatchGroups = BatchGroups()

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Conv(8, (8, 8), (8, 8), use_bias=False, name="conv")(x)
        x = BatchNorm(train, 0.9, self.groups, name="norm")(x)
        return nn.Dense(self.output_size, name="head")(nn.relu(x).reshape(x.shape[0], -1))


class SmallCritic(nn.Module):
    """A self-critic with one convolution and two dense layers."""

    def setup(self):
        self.encoder, self.head = nn.Conv(4, (24, 24), (24, 24)), nn.Dense(8)
        self.logit = nn.Dense(1)

    def __call__(self, image, vector):
        return self.score(self.encode(image), vector)

    def encode(self, image):
        return nn.relu(self.encoder(image)).reshape(image.shape[0], -1)

    def score(self, latent, vector):
        return self.logit(nn.relu(self.head(jnp.concatenate([latent, vector], axis=-1))))[:, 0]


def critic_recipe(**changes):
    """Returns a critic recipe in which L_sc has its full weight from the first step."""
    critic = CriticRecipe(
        network=SmallCritic(),
        optimizer=optax.sgd(0.1, momentum=0.9),
        loss=losses.ADVERSARIAL_LOSSES["non_saturating"],
        updates=1,
        ramp=optax.constant_schedule(1.0),
        mismatched=False,
    )
    return dataclasses.replace(critic, **changes)


def recipe(groups=BatchGroups(), axis_name=None, **changes):
    """Returns a recipe with every term and with SGD.

    Adam would turn the rounding errors of tiny gradients into full updates.
    """
    default = Recipe(
        network=SmallNet(groups=groups),
        optimizer=optax.sgd(0.01, momentum=0.9),
        average_decay=0.9,
        augmentation=Augmentation(10, 0.05, 3, 0.5, 0.1, 0.2, 0.3),
        detection=SimulatedDetector(0.8, 1.0, 1.0, 0.1),
        landmark_map=MapStyle("official", "hard"),
        point_norm=losses.POINT_NORMS["euclidean"],
        loss_weights=ALL_LOSSES,
        critic=critic_recipe(),
        axis_name=axis_name,
    )
    return dataclasses.replace(default, **changes)


def batch(model, annotated=8, wild=8):
    """Returns a batch of formula faces, the annotated ones first; some landmarks are missing or hidden."""
    count = annotated + wild
    camera, shape, expression, points = formula_faces.random_faces(model, max(count, 1))
    vectors = official_from_coefficients(
        Coefficients(affine_from_camera(camera), shape, expression)
    )
    images = np.stack([formula_faces.draw(p) for p in points])[:count]
    landmarks, visibility = points[:count, :, :2].copy(), np.full((count, 68), 2, np.uint8)
    landmarks[::3, 30], visibility[1::3, 17:22] = np.nan, 1
    return TrainBatch(
        AnnotatedFaces(
            images[:annotated],
            landmarks[:annotated],
            visibility[:annotated],
            np.asarray(vectors)[:annotated],
        ),
        LabelledFaces(images[annotated:], landmarks[annotated:], visibility[annotated:]),
    )


def same(one, other):
    """Returns whether two trees of arrays are equal bit for bit."""
    return jax.tree.all(jax.tree.map(np.array_equal, one, other))
