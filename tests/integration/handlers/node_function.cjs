// The function for AWS's own Node client; does what node_client.mjs does.
exports.handler = async (event) => {
  if (event.fail) {
    throw new Error(event.fail);
  }
  await new Promise((resolve) => setTimeout(resolve, (event.sleep ?? 0) * 1000));
  return { allocated: Buffer.alloc(event.bytes ?? 0, 1).length };
};
