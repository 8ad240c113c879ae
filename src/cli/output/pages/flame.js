const data = JSON.parse(document.getElementById("data").textContent);
const views = data.views;  // [key, label, what is said behind an amount]
const compared = data.unit.startsWith("change");  // each frame has `after` and `before`
const SURE = 3, MARGIN = 0.05;  // a change of fewer standard deviations of the sampling, or of less, is none
const ROW = 22, LEAST = 0.4;
const element = id => document.getElementById(id);
const graph = element("graph"), tip = element("tip");
let view = views.findIndex(v => data.sites.some(s => s[v[0]] > 0)), tree, zoomed, chosen, words = "";
if (view < 0) view = 0;

const [UNITS, LEAST_UNIT] = data.unit.endsWith("bytes") ? [[["GB", 2 ** 30], ["MB", 2 ** 20], ["KB", 2 ** 10]], "B"]
  : [[["s", 1e9], ["ms", 1e6], ["µs", 1e3]], "ns"];
function amount(n) {
  const sign = n < 0 ? "-" : "";
  n = Math.abs(n);
  for (const [unit, size] of UNITS)
    if (n >= size) return sign + (n < 999.5 * size ? (n / size).toPrecision(3) : Math.round(n / size)) + " " + unit;
  return sign + Math.round(n) + " " + LEAST_UNIT;
}
// "9.1 ms before, 12.3 ms after: +3.2 ms (+35.2 %)"
function changed(node) {
  const difference = node.after - node.before, sign = difference > 0 ? "+" : "";
  return `${amount(node.before)} before, ${amount(node.after)} after: ` + (change(node) === 0 ? "no change for sure"
    : `${sign}${amount(difference)} (${node.before > 0 ? sign + percent(difference, node.before) : "new"})`);
}
const words_of = node => compared ? changed(node) : `${amount(node.value)}, ${percent(node.value, tree.value)}`;
const percent = (part, whole) => whole > 0 ? (100 * part / whole).toFixed(1) + " %" : "-";

// One node a call path. A frame of no bytes in this view is left out.
function build(key) {
  const made = (name, parent) => ({ name, value: 0, calls: 0, after: 0, before: 0, spreadAfter: 0, spreadBefore: 0,
    depth: parent ? parent.depth + 1 : 0, parent, children: new Map() });
  const root = made("all", null);
  const add = (node, site, value) => {
    node.value += value; node.calls += site.calls;
    if (!compared) return;
    node.after += site.after; node.spreadAfter += site.spreadAfter;
    node.before += site.before; node.spreadBefore += site.spreadBefore;
  };
  for (const site of data.sites) {
    const value = Math.max(0, site[key]);
    if (value === 0 && !compared) continue;
    let node = root;
    add(node, site, value);
    for (const index of site.stack) {
      const name = data.frames[index];
      let child = node.children.get(name);
      if (!child) node.children.set(name, child = made(name, node));
      add(child, site, value);
      node = child;
    }
  }
  (function sort(node) {
    node.list = [...node.children.values()].filter(child => child.value > 0).sort((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1));
    node.list.forEach(sort);
  })(root);
  return root;
}

// How much of itself a frame gained (to 1) or lost (to -1); 0 where chance may have made the difference.
// Samples are shared out among all frames: of the whole sampling makes no doubt.
function change(node) {
  const difference = node.after - node.before, most = Math.max(node.after, node.before);
  const spread = node.spreadAfter * (1 - node.after / Math.max(tree.after, 1)) +
    node.spreadBefore * (1 - node.before / Math.max(tree.before, 1));
  return Math.abs(difference) <= Math.max(SURE * Math.sqrt(Math.max(spread, 0)), MARGIN * most) ? 0 : difference / most;
}

// Of a comparison the colour tells the change.
function colour(node) {
  const name = node.name;
  if (compared) {
    const share = change(node);
    return share === 0 ? "hsl(40 8% var(--light))"
      : `hsl(${share > 0 ? 8 : 215} ${Math.round(45 + 45 * Math.abs(share))}% calc(var(--light) + ${Math.round(10 - 16 * Math.abs(share))}%))`;
  }
  return frameColour(name);
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
    box.style.cssText = `left:${left}px;top:${node.depth * ROW}px;width:${Math.max(wide, 1)}px;background:${colour(node)}`;
    if (wide < 12) box.style.padding = "0";
    box.textContent = wide < 24 ? "" : node.name;
    box.setAttribute("role", "treeitem");
    box.setAttribute("aria-label", `${node.name}, ${words_of(node)}`);
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
  element("matched").textContent = words === "" ? "" : `${percent(hit, zoomed.value)} matched (${amount(hit)})`;
  const shrunk = -data.sites.reduce((sum, s) => sum + Math.min(0, s[views[view][0]]), 0);
  element("says").textContent = tree.value === 0 ? `Nothing in the view "${views[view][1]}" of these records.`
    : compared ? `An invocation had ${changed(tree)}; widths are those ${views[view][2]}` +
      (zoomed === tree ? "" : `; shown: ${zoomed.name}, ${changed(zoomed)}`)
    : `${amount(tree.value)} ${views[view][2]}` + (shrunk > 0 ? `; ${amount(shrunk)} less at other sites` : "") +
      (zoomed === tree ? "" : `; shown: ${zoomed.name}, ${amount(zoomed.value)} (${percent(zoomed.value, tree.value)})`);
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
  tip.append(name, compared ? `an invocation: ${changed(node)}`
    : `${amount(node.value)} ${views[view][2]}: ${percent(node.value, tree.value)} of all` +
    (node.parent ? `, ${percent(node.value, node.parent.value)} of its caller's` : "") +
    `; ${node.calls.toLocaleString("en")} ${data.counted}`);
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
  };
  views.forEach((_, index) => { keys[index + 1] = () => setView(index); });
  if (keys[event.key] && !(event.key === "Enter" && event.target.tagName === "BUTTON")) {
    event.preventDefault();
    keys[event.key]();
  }
});
setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
element("title").textContent = data.title;
document.title = `Lamprey: ${data.heading}`;
element("keys").replaceChildren(...views.flatMap((_, index) => {
  const key = document.createElement("kbd");
  key.textContent = index + 1;
  return [key, " "];
}));
element("about").textContent = data.about;
setView(view);
const wanted = new URLSearchParams(location.hash.slice(1));  // #view=1&search=json&theme=dark
if (wanted.get("theme")) setTheme(wanted.get("theme") === "dark");
if (views[wanted.get("view")]) setView(Number(wanted.get("view")));
if (wanted.get("search")) { element("search").value = wanted.get("search"); words = wanted.get("search").toLowerCase(); draw(); }
