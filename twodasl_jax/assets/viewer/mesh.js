// Arrays of a face: decoding, deformation by an expression, and normals.

const ARRAY_TYPES = { float32: Float32Array, int16: Int16Array, uint8: Uint8Array, uint32: Uint32Array };

async function bytesOf(base64) {
  const { writable, readable } = new DecompressionStream("deflate");
  const writer = writable.getWriter();
  writer.write(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
  writer.close();
  return new Response(readable).arrayBuffer();
}

async function arrayOf({ type, data }) {
  return new ARRAY_TYPES[type](await bytesOf(data));
}

// Decodes an array that is stored as integer multiples of a step.
async function floatsOf({ step, ...packed }) {
  return Float32Array.from(await arrayOf(packed), (value) => value * step);
}

// Returns the vertices of a face, deformed by the sliders. Vertices are in the frame of mesh files,
// displacements in the model frame. `ownShare` is the share of the expression in the photo: 1 keeps
// it, 0 gives the neutral face.
function deform(face, sliders, weights, ownShare) {
  const moved = new Float32Array(face.vertices.length);
  weights.forEach((weight, slider) => {
    if (weight) addScaled(moved, sliders.displacements, slider * moved.length, weight);
  });
  if (ownShare !== 1) addScaled(moved, face.expression, 0, ownShare - 1);
  const [xx, xy, xz, yx, yy, yz, zx, zy, zz] = face.linear;
  for (let i = 0; i < moved.length; i += 3) {
    const [x, y, z] = [moved[i], moved[i + 1], moved[i + 2]];
    moved[i] = face.vertices[i] + xx * x + xy * y + xz * z;
    moved[i + 1] = face.vertices[i + 1] + yx * x + yy * y + yz * z;
    moved[i + 2] = face.vertices[i + 2] + zx * x + zy * y + zz * z;
  }
  return moved;
}

function addScaled(sums, values, start, factor) {
  for (let i = 0; i < sums.length; i++) sums[i] += factor * values[start + i];
}

// Returns the area-weighted sum of triangle normals at each vertex. three.js normalises it.
function vertexNormals(vertices, triangles) {
  const normals = new Float32Array(vertices.length);
  for (let i = 0; i < triangles.length; i += 3) {
    const [a, b, c] = [3 * triangles[i], 3 * triangles[i + 1], 3 * triangles[i + 2]];
    const edge = (to, axis) => vertices[to + axis] - vertices[a + axis];
    const normal = [
      edge(b, 1) * edge(c, 2) - edge(b, 2) * edge(c, 1),
      edge(b, 2) * edge(c, 0) - edge(b, 0) * edge(c, 2),
      edge(b, 0) * edge(c, 1) - edge(b, 1) * edge(c, 0),
    ];
    for (const corner of [a, b, c]) for (let axis = 0; axis < 3; axis++) normals[corner + axis] += normal[axis];
  }
  return normals;
}
