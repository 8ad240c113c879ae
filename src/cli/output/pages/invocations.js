// What an invocation has when it is opened: findings, where its time went, its waterfall, and what each thread was in.
function findingsList(findings) {
  return make("ul", "findings", ...findings.map(([severity, code, says, advice]) => {
    const kind = ["critical", "warning"].includes(words(severity)) ? words(severity) : "info";
    const entry = make("li", kind, make("span", "badge", words(severity)), " ", make("code", "", words(code)), make("p", "", words(says)));
    if (words(advice)) entry.append(make("p", "advice", words(advice)));
    return entry;
  }));
}

function wallBar(wall) {
  const all = wall.reduce((sum, [, us]) => sum + us, 0), bar = make("div", "wall"), legend = make("div", "legend");
  for (const [key, label] of data.parts) {
    const us = wall.filter(([part]) => words(part) === key).reduce((sum, [, took]) => sum + took, 0), className = `c-${key.replace("_ms", "")}`;
    if (us === 0) continue;
    const piece = make("i", className);
    piece.style.width = `${100 * us / all}%`;
    bar.append(piece);
    if (us >= all / 200) legend.append(make("span", "", make("i", className), `${label} ${time(us)}`));
  }
  return [bar, legend];
}

function table(headings, rows) {
  const head = make("tr"), made = make("table");
  headings.forEach(([label, isWords]) => head.append(make("th", isWords ? "text" : "", label)));
  const body = make("tbody", "", head, ...rows.map(cells => make("tr", "", ...cells.map((cell, at) => make("td", headings[at][1] ? "text" : "", cell)))));
  made.append(body);
  makeSortable(made);
  return make("div", "wide", made);
}

// "Of 412 ms, main waited 310 ms in the 7 listed waits" with what is only likely.
function pathInWords(fall) {
  const of = path => fall.waits.filter(wait => wait.path === path), sum = waits => waits.reduce((all, wait) => all + wait.took, 0);
  if (fall.handler === "") return "Which thread handled the request is not known, so no critical path is marked.";
  const sure = of(ON_PATH), likely = [...new Set(of(PROBABLY).map(wait => wait.thread))];
  return `Critical path: of ${time(fall.whole)}, ${fall.handler} waited ${time(sum(sure))} in ${sure.length} listed wait${sure.length === 1 ? "" : "s"}.` +
    (likely.length ? ` While it waited for another thread or process, that was probably ${likely.slice(0, 4).join(", ")} (dashed).` : "");
}

function waitsTable(waits) {
  const closer = make("details", "", make("summary", "", `All ${waits.length} waits as a table`));
  closer.append(table([["began at"], ["took"], ["spent on", true], ["call", true], ["target", true], ["thread", true], ["the program's own frames", true]],
    waits.map(wait => [time(wait.at), time(wait.took) + (wait.open ? ", not ended" : ""), KINDS[wait.kind], wait.call, wait.target, wait.thread, frames(wait.stack)])));
  return closer;
}

function fill(place) {
  const invocation = data.invocations[place.dataset.invocation], body = make("div", "body");
  place.append(body);
  if (invocation.wall.length) body.append(...wallBar(invocation.wall));
  if (invocation.findings.length) body.append(findingsList(invocation.findings));
  if (invocation.blocked.length) {
    body.append(make("h4", "", "What each thread was in at the end"), table([["thread", true], ["call", true], ["target", true], ["for"], ["called from", true]],
      invocation.blocked.map(([thread, call, target, us, stack]) => [words(thread), words(call), words(target), time(us), frames(words(stack))])));
  }
  if (invocation.waits.length) {
    const path = make("p", "dim");
    body.append(make("h4", "", invocation.init ? "Waits of the init" : "Waits"), path);
    place.waterfall = new Waterfall(body, invocation);
    path.textContent = pathInWords(place.waterfall);
    body.append(waitsTable(place.waterfall.waits));
  } else body.append(make("p", "dim", "This line has no timeline: short ones, and those of older versions, leave it out."));
}

document.querySelectorAll("details.invocation").forEach(place => place.addEventListener("toggle", () => {
  if (place.open && place.children.length === 1) fill(place);
}));
// A link to an invocation opens it.
function openLinked() {
  const wanted = /^#i\d+$/.test(location.hash) ? document.querySelector(location.hash) : null;
  if (wanted) {
    wanted.open = true;
    wanted.scrollIntoView();
  }
}
addEventListener("hashchange", openLinked);
// The first of each function is open where there is something to see.
document.querySelectorAll("section.function").forEach(part => {
  const first = part.querySelector("details.invocation");
  if (first && data.invocations[first.dataset.invocation].waits.length + data.invocations[first.dataset.invocation].blocked.length) first.open = true;
});
openLinked();
