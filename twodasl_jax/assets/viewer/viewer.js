// The page: reads its data and connects the photo, the stage, the sliders and the address.
// The address stores the state of the controls, for example
// #face=2&yaw=40&pitch=-10&zoom=1.5&pose=front&surface=clay&overlay=0.5&own=0&jawOpen=1

const find = (selector) => document.querySelector(selector);
const findAll = (selector) => [...document.querySelectorAll(selector)];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1];
const HOME = { yaw: 0, pitch: 0, zoom: 1 };
const ROTATION_STEP = 5; // degrees per press of an arrow key
const ZOOM_STEP = 1.1;

class Viewer {
  constructor(data) {
    this.data = data;
    this.number = 0;
    this.surface = "texture";
    this.pose = "photo";
    this.ownShare = 1;
    this.weights = new Float32Array(data.sliders.names.length);
    this.stage = new Stage(find("#canvas"), () => this.saveState());
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
    // Closing the lips farther than the jaw is open would make them intersect.
    if (closed >= 0) weights[closed] = Math.min(weights[closed], weights[open]);
    const vertices = deform(this.face, this.data.sliders, weights, this.ownShare);
    this.stage.setVertices(vertices, vertexNormals(vertices, this.data.mesh.vertexTriangles));
    this.saveState();
  }

  setSurface(surface) {
    this.surface = surface;
    this.stage.setSurface(surface);
    this.saveState();
  }

  // "photo" is the pose in the photo; "front" is upright and frontal.
  setPose(pose, immediate = false) {
    this.pose = pose;
    this.stage.setRotation(pose === "front" ? this.face.upright : IDENTITY, immediate);
    this.saveState();
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
    this.stage.setView(HOME);
    this.setExpression(1, () => 0);
  }

  // Returns the state as the fragment of the address, without values that are at their defaults.
  address() {
    const { yaw, pitch, zoom } = this.stage.view();
    const state = [
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
    const changed = state.filter(([, value, initial]) => value !== initial);
    return new URLSearchParams(changed.map(([name, value]) => [name, String(value)])).toString();
  }

  // Writes the state to the address, after a pause so that browsers accept frequent changes.
  saveState() {
    clearTimeout(this.saveTimer);
    this.saveTimer = setTimeout(() => history.replaceState(null, "", `#${this.address()}`), 300);
  }

  // Reads the state from the address. Invalid values are clamped or ignored.
  restoreState() {
    const state = new URLSearchParams(location.hash.slice(1));
    const number = (name, initial, low, high) => {
      const value = Number.parseFloat(state.get(name) ?? initial);
      return clamp(Number.isFinite(value) ? value : initial, low, high);
    };
    const oneOf = (name, known) => (known.includes(state.get(name)) ? state.get(name) : known[0]);
    const { lowest, highest } = this.data.sliders;
    this.surface = oneOf("surface", ["texture", "clay", "wireframe"]);
    this.pose = oneOf("pose", ["photo", "front"]);
    this.chooseFace(Math.round(number("face", 1, 1, this.data.faces.length)) - 1);
    find(`[name=surface][value=${this.surface}]`).checked = true;
    find("#overlay").value = number("overlay", 1, 0, 1);
    fadeOverlay();
    this.stage.setView({
      yaw: number("yaw", 0, -180, 180),
      pitch: number("pitch", 0, -90, 90),
      zoom: number("zoom", 1, 0.3, 5),
    });
    this.setExpression(number("own", 1, 0, 1), (name) => number(name, 0, lowest, highest));
  }

  pressKey(event) {
    const { yaw, pitch, zoom } = this.stage.view();
    const views = {
      ArrowLeft: { yaw: yaw + ROTATION_STEP },
      ArrowRight: { yaw: yaw - ROTATION_STEP },
      ArrowUp: { pitch: pitch + ROTATION_STEP },
      ArrowDown: { pitch: pitch - ROTATION_STEP },
      "+": { zoom: zoom * ZOOM_STEP },
      "=": { zoom: zoom * ZOOM_STEP },
      "-": { zoom: zoom / ZOOM_STEP },
      Home: HOME,
    };
    if (!(event.key in views) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.stage.setView({ yaw, pitch, zoom, ...views[event.key] });
  }

  addListeners() {
    const on = (selector, kind, react) => {
      for (const element of findAll(selector)) element.addEventListener(kind, (event) => react(event, element));
    };
    on("#canvas", "keydown", (event) => this.pressKey(event));
    on("[data-choose]", "click", (_, button) => this.chooseFace(Number(button.dataset.choose)));
    on("[name=surface]", "change", (_, input) => this.setSurface(input.value));
    on("[data-pose]", "click", (_, button) => {
      this.setPose(button.dataset.pose);
      this.stage.setView(HOME);
    });
    on("[data-reset]", "click", () => this.reset());
    on("#overlay, #overlay-shown", "input", () => this.saveState());
    on("#own", "input", (_, input) => this.setExpression(Number(input.value), (name) => this.weight(name)));
    on("[data-slider]", "input", (_, input) => this.moveSlider(input, Number(input.value)));
    on("[data-slider]", "dblclick", (_, input) => this.moveSlider(input, 0));
    on("[data-preset]", "click", (_, button) => {
      const preset = JSON.parse(button.dataset.preset);
      this.setExpression(preset.own, (name) => preset[name] ?? 0);
    });
    addEventListener("hashchange", () => this.restoreState());
  }

  weight(name) {
    return this.weights[this.data.sliders.names.indexOf(name)];
  }

  moveSlider(input, value) {
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

// Connects the controls of the photo, which also work without WebGL.
function addPhotoListeners() {
  find("#overlay").addEventListener("input", fadeOverlay);
  find("#overlay-shown").addEventListener("change", ({ target }) => {
    find("#overlay").value = target.checked ? 1 : 0;
    fadeOverlay();
  });
  fadeOverlay();
}

// Decodes each file when its button is pressed.
function addDownloadListeners(files) {
  for (const button of findAll("[data-file]")) {
    button.addEventListener("click", async () => {
      const { name, type, data } = files[button.dataset.file];
      const address = URL.createObjectURL(new Blob([await bytesOf(data)], { type }));
      Object.assign(document.createElement("a"), { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60000);
    });
  }
}

function readImage(source) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("Cannot read a texture."));
    image.src = source;
  });
}

// Decodes the arrays and images of the page.
async function unpack({ mesh, sliders, faces }) {
  const stored = [mesh.triangles, mesh.source, mesh.uv, mesh.cavity];
  const [triangles, source, uv, cavity] = await Promise.all(stored.map(arrayOf));
  return {
    mesh: { triangles, source, uv, cavity, vertexTriangles: triangles.map((corner) => source[corner]) },
    sliders: { ...sliders, displacements: await floatsOf(sliders.displacements) },
    faces: await Promise.all(
      faces.map(async (face) => ({
        ...face,
        vertices: await arrayOf(face.vertices),
        expression: await floatsOf(face.expression),
        texture: await readImage(face.texture),
      })),
    ),
  };
}

async function start() {
  const content = JSON.parse(find("#content").textContent);
  addPhotoListeners();
  addDownloadListeners(content.files);
  if (!document.createElement("canvas").getContext("webgl2")) {
    document.body.dataset.state = "no-webgl";
    return;
  }
  const viewer = new Viewer(await unpack(content));
  viewer.addListeners();
  viewer.restoreState();
  document.body.dataset.state = "ready";
}

addEventListener("error", ({ message }) => fail(message));
addEventListener("unhandledrejection", ({ reason }) => fail(String(reason)));

function fail(message) {
  document.body.dataset.state = "error";
  document.body.dataset.error = message;
}

start();
