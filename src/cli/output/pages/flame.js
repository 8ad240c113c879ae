"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const views = [["live", "Live", "not freed yet"], ["allocated", "Allocated", "in all calls"],
               ["growth", "Growth", "of live bytes"]];
const ROW = 22, LEAST = 0.4;
const element = id => document.getElementById(id);
const graph = element("graph"), tip = element("tip");
let view = views.findIndex(v => data.sites.some(s => s[v[0]] > 0)), tree, zoomed, chosen, words = "";
if (view < 0) view = 0;

function bytes(n) {
  const sign = n < 0 ? "-" : "";
  n = Math.abs(n);
  for (const [unit, size] of [["GB", 2 ** 30], ["MB", 2 ** 20], ["KB", 2 ** 10]])
    if (n >= size) return sign + (n / size).toPrecision(3) + " " + unit;
  return sign + n + " B";
}
const percent = (part, whole) => whole > 0 ? (100 * part / whole).toFixed(1) + " %" : "-";

// One node a call path. A frame of no bytes in this view is left out.
function build(key) {
  const root = { name: "all", value: 0, calls: 0, depth: 0, parent: null, children: new Map() };
  for (const site of data.sites) {
    const value = Math.max(0, site[key]);
    if (value === 0) continue;
    let node = root;
    node.value += value; node.calls += site.calls;
    for (const index of site.stack) {
      const name = data.frames[index];
      let child = node.children.get(name);
      if (!child) {
        child = { name, value: 0, calls: 0, depth: node.depth + 1, parent: node, children: new Map() };
        node.children.set(name, child);
      }
      child.value += value; child.calls += site.calls;
      node = child;
    }
  }
  (function sort(node) {
    node.list = [...node.children.values()].sort((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1));
    node.list.forEach(sort);
  })(root);
  return root;
}

// The colour tells the module, so that one library's frames look alike.
function colour(name) {
  if (name === "all" || name.startsWith("(")) return "hsl(40 8% var(--light))";
  const open = name.lastIndexOf(" (");
  let hash = 7;
  for (const c of open > 0 ? name.slice(open) : "run time") hash = (hash * 31 + c.charCodeAt(0)) >>> 0;
  return `hsl(${hash % 360} var(--full) var(--light))`;
}

const isHit = node => words !== "" && node.name.toLowerCase().includes(words);
// Bytes below matching frames, each counted once.
function matched(node) {
  return isHit(node) ? node.value : node.list.reduce((sum, child) => sum + matched(child), 0);
}

function draw() {
  const width = graph.clientWidth, pieces = document.createDocumentFragment();
  let deepest = 0;
  const put = (node, left, wide, above) => {
    if (wide < LEAST) return;
    deepest = Math.max(deepest, node.depth);
    const box = document.createElement("div");
    box.className = "frame" + (above ? " above" : "") + (node === chosen ? " chosen" : "") +
      (words === "" ? "" : isHit(node) ? " hit" : " miss");
    box.style.cssText = `left:${left}px;top:${node.depth * ROW}px;width:${Math.max(wide, 1)}px;background:${colour(node.name)}`;
    if (wide < 12) box.style.padding = "0";
    box.textContent = wide < 24 ? "" : node.name;
    box.setAttribute("role", "treeitem");
    box.setAttribute("aria-label", `${node.name}, ${bytes(node.value)}, ${percent(node.value, tree.value)}`);
    box.node = node; node.box = box;
    pieces.append(box);
    if (above) return;
    for (const child of node.list) {
      const share = wide * child.value / node.value;
      put(child, left, share, false);
      left += share;
    }
  };
  for (let up = zoomed.parent; up; up = up.parent) put(up, 0, width, true);
  put(zoomed, 0, width, false);
  graph.replaceChildren(pieces);
  graph.style.height = (deepest + 1) * ROW + "px";
  const hit = words === "" ? 0 : matched(zoomed);
  element("matched").textContent = words === "" ? "" : `${percent(hit, zoomed.value)} matched (${bytes(hit)})`;
  const shrunk = -data.sites.reduce((sum, s) => sum + Math.min(0, s[views[view][0]]), 0);
  element("says").textContent = tree.value === 0 ? `No ${views[view][1].toLowerCase()} bytes in these records.`
    : `${bytes(tree.value)} ${views[view][2]}` + (shrunk > 0 ? `; ${bytes(shrunk)} less at other sites` : "") +
      (zoomed === tree ? "" : `; shown: ${zoomed.name}, ${bytes(zoomed.value)} (${percent(zoomed.value, tree.value)})`);
}

function zoom(node) { zoomed = chosen = node; draw(); }
function choose(node) {
  if (!node) return;
  chosen = node;
  let inside = node;
  while (inside && inside !== zoomed) inside = inside.parent;
  if (!inside) zoomed = node;
  draw();
  if (node.box) { const at = node.box.getBoundingClientRect(); show(node, at.left, at.bottom); node.box.scrollIntoView({ block: "nearest" }); }
}
function setView(index) {
  view = index; tree = build(views[index][0]); zoom(tree);
  [...element("views").children].forEach((b, i) => b.setAttribute("aria-pressed", String(i === index)));
}
function show(node, x, y) {
  tip.replaceChildren();
  const name = document.createElement("b");
  name.textContent = node.name;
  tip.append(name, `${bytes(node.value)} ${views[view][2]}: ${percent(node.value, tree.value)} of all` +
    (node.parent ? `, ${percent(node.value, node.parent.value)} of its caller's` : "") +
    `; ${node.calls.toLocaleString("en")} allocations`);
  tip.style.display = "block";
  tip.style.left = Math.max(4, Math.min(x + 12, innerWidth - tip.offsetWidth - 8)) + "px";
  tip.style.top = (y + 16 + tip.offsetHeight > innerHeight ? Math.max(4, y - tip.offsetHeight - 30) : y + 16) + "px";
}
const hide = () => { tip.style.display = "none"; };

views.forEach(([key, label], index) => {
  const button = document.createElement("button");
  button.textContent = label;
  button.onclick = () => setView(index);
  element("views").append(button, " ");
});
element("views").replaceChildren(...element("views").querySelectorAll("button"));
graph.onclick = event => { if (event.target.node) { zoom(event.target.node); graph.focus(); } };
graph.onmousemove = event => event.target.node ? show(event.target.node, event.clientX, event.clientY) : hide();
graph.onmouseleave = hide;
element("search").oninput = event => { words = event.target.value.trim().toLowerCase(); draw(); };
element("reset").onclick = () => { words = element("search").value = ""; zoom(tree); };
element("theme").onclick = () => setTheme(document.documentElement.dataset.theme !== "dark");
function setTheme(dark) { document.documentElement.dataset.theme = dark ? "dark" : "light"; }
addEventListener("resize", draw);
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target === element("search");
  if (event.key === "Escape") {
    hide();
    if (words !== "") { words = element("search").value = ""; draw(); } else zoom(zoomed.parent || tree);
    if (typing) graph.focus();
    return;
  }
  if (typing) { if (event.key === "Enter") graph.focus(); return; }
  const beside = step => {
    const list = chosen.parent ? chosen.parent.list : [chosen];
    choose(list[Math.min(list.length - 1, Math.max(0, list.indexOf(chosen) + step))]);
  };
  const keys = {
    "/": () => { element("search").focus(); element("search").select(); },
    ArrowUp: () => choose(chosen.parent), ArrowDown: () => choose(chosen.list[0]),
    ArrowLeft: () => beside(-1), ArrowRight: () => beside(1),
    Enter: () => { if (event.target.tagName !== "BUTTON") zoom(chosen); },
    1: () => setView(0), 2: () => setView(1), 3: () => setView(2),
  };
  if (keys[event.key] && !(event.key === "Enter" && event.target.tagName === "BUTTON")) {
    event.preventDefault();
    keys[event.key]();
  }
});
setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
element("title").textContent = data.title;
element("about").textContent = data.about;
setView(view);
const wanted = new URLSearchParams(location.hash.slice(1));  // #view=1&search=json&theme=dark
if (wanted.get("theme")) setTheme(wanted.get("theme") === "dark");
if (views[wanted.get("view")]) setView(Number(wanted.get("view")));
if (wanted.get("search")) { element("search").value = wanted.get("search"); words = wanted.get("search").toLowerCase(); draw(); }
