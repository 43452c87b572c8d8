// The 3D view of a face: an orbiting camera with lights, and three surface styles.

const FIELD_OF_VIEW = 20; // Degrees. A narrow angle approximates the weak perspective of the photo.
const MARGIN = 1.02;
const ROTATION_SECONDS = 0.5;
const CLAY = 0xdccab8;
const DEGREES = 180 / Math.PI;

// Intensities of the lights. The texture already contains the light of the photo.
const LIGHTING = {
  texture: { sky: 2.75, key: 0.55, fill: 0 },
  clay: { sky: 0.55, key: 2.5, fill: 0.6 },
  wireframe: { sky: 1.2, key: 1.6, fill: 0.3 },
};

class Stage {
  // Throws without WebGL 2. `onViewChange` is called after each change of the camera.
  constructor(canvas, onViewChange) {
    this.canvas = canvas;
    this.reducedMotion = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.camera = new THREE.PerspectiveCamera(FIELD_OF_VIEW, 1, 0.01, 100);
    this.controls = new THREE.OrbitControls(this.camera, canvas);
    const enableDamping = !this.reducedMotion;
    Object.assign(this.controls, { enablePan: false, enableDamping, minDistance: 1, maxDistance: 20 });
    this.controls.addEventListener("change", () => this.invalidate());
    this.controls.addEventListener("change", onViewChange);
    this.buildScene();
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.resize();
    this.setView({ yaw: 0, pitch: 0, zoom: 1 });
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

  // Replaces the face. A vertex on a seam of the texture has several corners. `triangles` are
  // corner indices; `source` and `uv` are the vertex and the texture coordinates of each corner.
  // `cavity` is the depth of each vertex in a cavity, from 0 to 255. `texture` is an image.
  showFace({ triangles, source, uv, cavity, texture, radius }) {
    this.head.clear();
    this.geometry?.dispose();
    this.source = source;
    this.geometry = new THREE.BufferGeometry();
    this.geometry.setIndex(new THREE.BufferAttribute(triangles, 1));
    for (const name of ["position", "normal"]) {
      this.geometry.setAttribute(name, new THREE.BufferAttribute(new Float32Array(3 * source.length), 3));
    }
    this.geometry.setAttribute("uv", new THREE.BufferAttribute(uv, 2));
    const shade = Float32Array.from(source, (vertex) => 1 - cavity[vertex] / 300);
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
    // The back side has a plain colour.
    const inside = new THREE.MeshStandardMaterial({ ...behindLines, color: 0x8a8580, side: THREE.BackSide });
    this.inside = new THREE.Mesh(this.geometry, inside);
    const lines = { color: 0x2b5f8f, wireframe: true, transparent: true, opacity: 0.42 };
    this.wires = new THREE.Mesh(this.geometry, new THREE.MeshBasicMaterial(lines));
    this.head.add(this.skin, this.inside, this.wires);
    for (const mesh of this.head.children) mesh.frustumCulled = false;
  }

  // Sets the position and normal of each vertex.
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

  // Rotates the head to a rotation matrix, given row by row, with an animation unless `immediate`.
  setRotation(rows, immediate) {
    const [a, b, c, d, e, f, g, h, i] = rows;
    const matrix = new THREE.Matrix4().set(a, b, c, 0, d, e, f, 0, g, h, i, 0, 0, 0, 0, 1);
    const to = new THREE.Quaternion().setFromRotationMatrix(matrix);
    this.animation = { from: this.head.quaternion.clone(), to };
    this.animation.start = immediate || this.reducedMotion ? -Infinity : performance.now();
    this.invalidate();
  }

  // Returns the camera position as the apparent rotation of the head, in degrees: yaw > 0 turns the
  // nose to the left, pitch > 0 raises it.
  view() {
    const place = new THREE.Spherical().setFromVector3(this.camera.position);
    return { yaw: place.theta * DEGREES, pitch: place.phi * DEGREES - 90, zoom: this.distance / place.radius };
  }

  // Moves the camera; the inverse of `view`.
  setView({ yaw, pitch, zoom }) {
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
    // On a portrait screen, the field of view applies to the width.
    const half = Math.tan(FIELD_OF_VIEW / 2 / DEGREES) * Math.max(1, height / width);
    this.camera.fov = 2 * Math.atan(half) * DEGREES;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  // Requests one redraw in the next frame, for any number of calls.
  invalidate() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      if (this.advance()) this.invalidate();
      this.draw();
    });
  }

  // Advances the animation and returns whether it continues.
  advance() {
    this.controls.update();
    if (!this.animation) return false;
    const share = Math.min((performance.now() - this.animation.start) / 1000 / ROTATION_SECONDS, 1);
    this.head.quaternion.slerpQuaternions(this.animation.from, this.animation.to, share * share * (3 - 2 * share));
    if (share === 1) this.animation = undefined;
    return share < 1;
  }

  draw() {
    this.renderer.render(this.scene, this.camera);
  }
}
