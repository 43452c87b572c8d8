// The page: reads its data, and joins photo, stage, sliders and address.
// The address keeps what a person chose, as in
// #face=2&yaw=40&pitch=-10&zoom=1.5&pose=front&surface=clay&overlay=0.5&own=0&jawOpen=1

const find = (selector) => document.querySelector(selector);
const findAll = (selector) => [...document.querySelectorAll(selector)];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1];
const HOME = { yaw: 0, pitch: 0, zoom: 1 };
const TURN_STEP = 5; // degrees, for a press of an arrow key
const ZOOM_STEP = 1.1;

class Viewer {
  constructor(data) {
    this.data = data;
    this.number = 0;
    this.surface = "texture";
    this.pose = "photo";
    this.ownShare = 1;
    this.weights = new Float32Array(data.sliders.names.length);
    this.stage = new Stage(find("#canvas"), () => this.remember());
  }

  get face() {
    return this.data.faces[this.number];
  }

  chooseFace(number) {
    this.number = number;
    for (const part of findAll("[data-face]")) part.hidden = Number(part.dataset.face) !== number;
    for (const button of findAll("[data-choose]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.choose) === number));
    }
    this.stage.showFace({ ...this.data.mesh, ...this.face });
    this.stage.setSurface(this.surface);
    this.setPose(this.pose, true);
    this.changeShape();
  }

  changeShape() {
    const weights = this.weights.slice();
    const [closed, open] = ["mouthClose", "jawOpen"].map((name) => this.data.sliders.names.indexOf(name));
    // Lips close over a jaw as far as it is open; farther, they would cut each other.
    if (closed >= 0) weights[closed] = Math.min(weights[closed], weights[open]);
    const vertices = deform(this.face, this.data.sliders, weights, this.ownShare);
    this.stage.setVertices(vertices, vertexNormals(vertices, this.data.mesh.vertexTriangles));
    this.remember();
  }

  setSurface(surface) {
    this.surface = surface;
    this.stage.setSurface(surface);
    this.remember();
  }

  // "photo": the head as it was photographed; "front": looking at us.
  setPose(pose, atOnce = false) {
    this.pose = pose;
    this.stage.setRotation(pose === "front" ? this.face.upright : IDENTITY, atOnce);
    this.remember();
  }

  setExpression(ownShare, weightOf) {
    this.ownShare = ownShare;
    this.data.sliders.names.forEach((name, slider) => (this.weights[slider] = weightOf(name)));
    this.showSliders();
    this.changeShape();
  }

  showSliders() {
    find("#own").value = this.ownShare;
    for (const input of findAll("[data-slider]")) input.value = this.weights[input.dataset.slider];
    for (const input of findAll("input[type=range]")) paint(input);
    for (const group of findAll("[data-group]")) {
      const moved = [...group.querySelectorAll("[data-slider]")].filter((input) => Number(input.value)).length;
      group.querySelector("[data-moved]").textContent = moved || "";
    }
  }

  reset() {
    this.setPose("photo");
    this.stage.look(HOME);
    this.setExpression(1, () => 0);
  }

  // Everything that a person chose, as the part of the address behind #; what is as at first is left out.
  address() {
    const { yaw, pitch, zoom } = this.stage.view();
    const chosen = [
      ["face", this.number + 1, 1],
      ["yaw", Math.round(yaw), 0],
      ["pitch", Math.round(pitch), 0],
      ["zoom", Number(zoom.toFixed(2)), 1],
      ["pose", this.pose, "photo"],
      ["surface", this.surface, "texture"],
      ["overlay", Number(find("#overlay").value), 1],
      ["own", this.ownShare, 1],
      ...this.data.sliders.names.map((name, slider) => [name, Number(this.weights[slider].toFixed(2)), 0]),
    ];
    const kept = chosen.filter(([, value, first]) => value !== first);
    return new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
  }

  remember() {
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => history.replaceState(null, "", `#${this.address()}`), 300);
  }

  recall() {
    const chosen = new URLSearchParams(location.hash.slice(1));
    const number = (name, first, low, high) => {
      const value = Number.parseFloat(chosen.get(name) ?? first);
      return clamp(Number.isFinite(value) ? value : first, low, high);
    };
    const oneOf = (name, known) => (known.includes(chosen.get(name)) ? chosen.get(name) : known[0]);
    const { lowest, highest } = this.data.sliders;
    this.surface = oneOf("surface", ["texture", "clay", "wireframe"]);
    this.pose = oneOf("pose", ["photo", "front"]);
    this.chooseFace(Math.round(number("face", 1, 1, this.data.faces.length)) - 1);
    find(`[name=surface][value=${this.surface}]`).checked = true;
    find("#overlay").value = number("overlay", 1, 0, 1);
    fadeOverlay();
    this.stage.look({
      yaw: number("yaw", 0, -180, 180),
      pitch: number("pitch", 0, -90, 90),
      zoom: number("zoom", 1, 0.3, 5),
    });
    this.setExpression(number("own", 1, 0, 1), (name) => number(name, 0, lowest, highest));
  }

  press(event) {
    const { yaw, pitch, zoom } = this.stage.view();
    const views = {
      ArrowLeft: { yaw: yaw + TURN_STEP },
      ArrowRight: { yaw: yaw - TURN_STEP },
      ArrowUp: { pitch: pitch + TURN_STEP },
      ArrowDown: { pitch: pitch - TURN_STEP },
      "+": { zoom: zoom * ZOOM_STEP },
      "=": { zoom: zoom * ZOOM_STEP },
      "-": { zoom: zoom / ZOOM_STEP },
      Home: HOME,
    };
    if (!(event.key in views) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.stage.look({ yaw, pitch, zoom, ...views[event.key] });
  }

  listen() {
    const on = (selector, kind, react) => {
      for (const element of findAll(selector)) element.addEventListener(kind, (event) => react(event, element));
    };
    on("#canvas", "keydown", (event) => this.press(event));
    on("[data-choose]", "click", (_, button) => this.chooseFace(Number(button.dataset.choose)));
    on("[name=surface]", "change", (_, input) => this.setSurface(input.value));
    on("[data-pose]", "click", (_, button) => {
      this.setPose(button.dataset.pose);
      this.stage.look(HOME);
    });
    on("[data-reset]", "click", () => this.reset());
    on("#overlay, #overlay-shown", "input", () => this.remember());
    on("#own", "input", (_, input) => this.setExpression(Number(input.value), (name) => this.weight(name)));
    on("[data-slider]", "input", (_, input) => this.slide(input, Number(input.value)));
    on("[data-slider]", "dblclick", (_, input) => this.slide(input, 0));
    on("[data-preset]", "click", (_, button) => {
      const preset = JSON.parse(button.dataset.preset);
      this.setExpression(preset.own, (name) => preset[name] ?? 0);
    });
    addEventListener("hashchange", () => this.recall());
  }

  weight(name) {
    return this.weights[this.data.sliders.names.indexOf(name)];
  }

  slide(input, value) {
    this.weights[input.dataset.slider] = value;
    this.showSliders();
    this.changeShape();
  }
}

// Colours the part of a slider between zero and its value.
function paint(input) {
  const place = (value) => (100 * (value - input.min)) / (input.max - input.min);
  const [zero, value] = [place(clamp(0, Number(input.min), Number(input.max))), place(input.value)];
  input.style.setProperty("--from", `${Math.min(zero, value)}%`);
  input.style.setProperty("--to", `${Math.max(zero, value)}%`);
}

function fadeOverlay() {
  const [slider, shown] = [find("#overlay"), find("#overlay-shown")];
  shown.checked = Number(slider.value) > 0;
  find("#drawn").style.opacity = slider.value;
  paint(slider);
}

// Works without WebGL too: fades the overlay, and the photo's part of the page is complete.
function listenToPhoto() {
  find("#overlay").addEventListener("input", fadeOverlay);
  find("#overlay-shown").addEventListener("change", ({ target }) => {
    find("#overlay").value = target.checked ? 1 : 0;
    fadeOverlay();
  });
  fadeOverlay();
}

// Every file is unpacked when it is asked for; its bytes are those that the program writes.
function listenToDownloads(files) {
  for (const button of findAll("[data-file]")) {
    button.addEventListener("click", async () => {
      const { name, type, data } = files[button.dataset.file];
      const address = URL.createObjectURL(new Blob([await bytesOf(data)], { type }));
      Object.assign(document.createElement("a"), { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60000);
    });
  }
}

function readPicture(source) {
  return new Promise((resolve, reject) => {
    const picture = new Image();
    picture.onload = () => resolve(picture);
    picture.onerror = () => reject(new Error("A texture cannot be read."));
    picture.src = source;
  });
}

// Replaces what the page holds as text by arrays and pictures.
async function unpack({ mesh, sliders, faces }) {
  const stored = [mesh.triangles, mesh.source, mesh.uv, mesh.hollow];
  const [triangles, source, uv, hollow] = await Promise.all(stored.map(arrayOf));
  return {
    mesh: { triangles, source, uv, hollow, vertexTriangles: triangles.map((corner) => source[corner]) },
    sliders: { ...sliders, displacements: await floatsOf(sliders.displacements) },
    faces: await Promise.all(
      faces.map(async (face) => ({
        ...face,
        vertices: await arrayOf(face.vertices),
        expression: await floatsOf(face.expression),
        texture: await readPicture(face.texture),
      })),
    ),
  };
}

async function start() {
  const content = JSON.parse(find("#content").textContent);
  listenToPhoto();
  listenToDownloads(content.files);
  if (!document.createElement("canvas").getContext("webgl2")) {
    document.body.dataset.state = "no-webgl";
    return;
  }
  const viewer = new Viewer(await unpack(content));
  viewer.listen();
  viewer.recall();
  document.body.dataset.state = "ready";
}

addEventListener("error", ({ message }) => fail(message));
addEventListener("unhandledrejection", ({ reason }) => fail(String(reason)));

function fail(message) {
  document.body.dataset.state = "error";
  document.body.dataset.error = message;
}

start();
