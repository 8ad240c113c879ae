// The colour of a frame tells its module, so that one library's frames look alike. Sheets set --light and --full.
function frameColour(name) {
  if (name === "all" || name.startsWith("(")) return "hsl(40 8% var(--light))";
  const open = name.lastIndexOf(" (");
  let hash = 7;
  for (const c of open > 0 ? name.slice(open) : "run time") hash = (hash * 31 + c.charCodeAt(0)) >>> 0;
  return `hsl(${hash % 360} var(--full) var(--light))`;
}
