// A module for node_shapes.js.
export async function run(point) {
  point('module');
  await null;
  point('module, later');
}
