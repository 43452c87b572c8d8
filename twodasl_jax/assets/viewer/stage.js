// The face in 3D: a camera that goes around it, lights that go with the camera, and three ways to see its surface.

const FIELD_OF_VIEW = 20; // Degrees; a long lens, since the photo's camera is taken to be far away.
const MARGIN = 1.02;
const TURN_SECONDS = 0.5;
const CLAY = 0xdccab8;
const DEGREES = 180 / Math.PI;

// How bright the sky and the two lamps are. A texture already holds the light of the photo and needs little more.
const LIGHTING = {
  texture: { sky: 2.75, key: 0.55, fill: 0 },
  clay: { sky: 0.55, key: 2.5, fill: 0.6 },
  wireframe: { sky: 1.2, key: 1.6, fill: 0.3 },
};

class Stage {
  // Throws where there is no WebGL 2. `onTurn` is called after a person turned or zoomed.
  constructor(canvas, onTurn) {
    this.canvas = canvas;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.camera = new THREE.PerspectiveCamera(FIELD_OF_VIEW, 1, 0.01, 100);
    this.controls = new THREE.OrbitControls(this.camera, canvas);
    Object.assign(this.controls, { enablePan: false, enableDamping: !this.calm, minDistance: 1, maxDistance: 20 });
    this.controls.addEventListener("change", () => this.invalidate());
    this.controls.addEventListener("change", onTurn);
    this.buildScene();
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.resize();
    this.look({ yaw: 0, pitch: 0, zoom: 1 });
  }

  buildScene() {
    this.scene = new THREE.Scene();
    this.head = new THREE.Group();
    this.sky = new THREE.HemisphereLight(0xffffff, 0xd8d2ca, 1);
    this.key = new THREE.DirectionalLight(0xffffff, 1);
    this.fill = new THREE.DirectionalLight(0xcfdcf0, 1);
    this.key.position.set(-1.1, 1.3, 1.6);
    this.fill.position.set(1.6, 0.1, 0.6);
    this.camera.add(this.key, this.fill);
    this.scene.add(this.camera, this.sky, this.head);
  }

  // Shows a face: `triangles` and `uv` of the corners, `source` the vertex of each, `hollow` how deep (0 to 255) each
  // vertex lies in a hole, `texture` a picture.
  showFace({ triangles, source, uv, hollow, texture, radius }) {
    this.head.clear();
    this.geometry?.dispose();
    this.source = source;
    this.geometry = new THREE.BufferGeometry();
    this.geometry.setIndex(new THREE.BufferAttribute(triangles, 1));
    for (const name of ["position", "normal"]) {
      this.geometry.setAttribute(name, new THREE.BufferAttribute(new Float32Array(3 * source.length), 3));
    }
    this.geometry.setAttribute("uv", new THREE.BufferAttribute(uv, 2));
    const shade = Float32Array.from(source, (vertex) => 1 - hollow[vertex] / 300);
    const grey = Float32Array.from({ length: 3 * shade.length }, (_, i) => shade[Math.floor(i / 3)]);
    this.geometry.setAttribute("color", new THREE.BufferAttribute(grey, 3));
    this.map = new THREE.Texture(texture);
    Object.assign(this.map, { colorSpace: THREE.SRGBColorSpace, anisotropy: 8, needsUpdate: true });
    this.head.scale.setScalar(1 / radius);
    this.addMeshes();
  }

  addMeshes() {
    const behindLines = { roughness: 1, polygonOffsetFactor: 1, polygonOffsetUnits: 1 };
    this.skin = new THREE.Mesh(this.geometry, new THREE.MeshStandardMaterial(behindLines));
    // Seen from behind, the inside of the face is plain.
    const inside = new THREE.MeshStandardMaterial({ ...behindLines, color: 0x8a8580, side: THREE.BackSide });
    this.inside = new THREE.Mesh(this.geometry, inside);
    const lines = { color: 0x2b5f8f, wireframe: true, transparent: true, opacity: 0.42 };
    this.wires = new THREE.Mesh(this.geometry, new THREE.MeshBasicMaterial(lines));
    this.head.add(this.skin, this.inside, this.wires);
    for (const mesh of this.head.children) mesh.frustumCulled = false;
  }

  // Moves the vertices; a vertex on a seam of the texture has several corners.
  setVertices(vertices, normals) {
    const { position, normal } = this.geometry.attributes;
    this.source.forEach((vertex, corner) => {
      for (let axis = 0; axis < 3; axis++) {
        position.array[3 * corner + axis] = vertices[3 * vertex + axis];
        normal.array[3 * corner + axis] = normals[3 * vertex + axis];
      }
    });
    position.needsUpdate = normal.needsUpdate = true;
    this.invalidate();
  }

  setSurface(surface) {
    const { sky, key, fill } = LIGHTING[surface];
    [this.sky.intensity, this.key.intensity, this.fill.intensity] = [sky, key, fill];
    const { material } = this.skin;
    material.map = surface === "texture" ? this.map : null;
    material.color.set(surface === "texture" ? 0xffffff : CLAY);
    material.vertexColors = surface !== "texture";
    material.needsUpdate = true;
    this.wires.visible = surface === "wireframe";
    for (const { material } of [this.skin, this.inside]) material.polygonOffset = this.wires.visible;
    this.invalidate();
  }

  // Turns the head, at once or in a moment, by a rotation matrix (row by row).
  setRotation(rows, atOnce) {
    const [a, b, c, d, e, f, g, h, i] = rows;
    const matrix = new THREE.Matrix4().set(a, b, c, 0, d, e, f, 0, g, h, i, 0, 0, 0, 0, 1);
    this.turn = { from: this.head.quaternion.clone(), to: new THREE.Quaternion().setFromRotationMatrix(matrix) };
    this.turn.start = atOnce || this.calm ? -Infinity : performance.now();
    this.invalidate();
  }

  // Where the camera is, told as what the head seems to do: yaw > 0 turns the nose to the left, pitch > 0 raises it.
  view() {
    const place = new THREE.Spherical().setFromVector3(this.camera.position);
    return { yaw: place.theta * DEGREES, pitch: place.phi * DEGREES - 90, zoom: this.distance / place.radius };
  }

  look({ yaw, pitch, zoom }) {
    const polar = Math.min(Math.max((90 + pitch) / DEGREES, 0.01), Math.PI - 0.01);
    this.camera.position.setFromSphericalCoords(this.distance / zoom, polar, yaw / DEGREES);
    this.controls.update();
    this.invalidate();
  }

  get distance() {
    return MARGIN / Math.sin(FIELD_OF_VIEW / 2 / DEGREES);
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    // On an upright screen the width decides how much is seen.
    const half = Math.tan(FIELD_OF_VIEW / 2 / DEGREES) * Math.max(1, height / width);
    this.camera.fov = 2 * Math.atan(half) * DEGREES;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  // Draws once, soon, however often it is called.
  invalidate() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      if (this.advance()) this.invalidate();
      this.draw();
    });
  }

  // Returns whether the head is still turning.
  advance() {
    this.controls.update();
    if (!this.turn) return false;
    const share = Math.min((performance.now() - this.turn.start) / 1000 / TURN_SECONDS, 1);
    this.head.quaternion.slerpQuaternions(this.turn.from, this.turn.to, share * share * (3 - 2 * share));
    if (share === 1) this.turn = undefined;
    return share < 1;
  }

  draw() {
    this.renderer.render(this.scene, this.camera);
  }
}
