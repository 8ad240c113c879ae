// A word leaves the functions that have it.
// Functions by name and finding, in the overview and below.
{
  const overview = document.getElementById("overview");
  const rows = overview ? [...overview.querySelectorAll("tr")].slice(1) : [];
  if (rows.length > 1) {
    const label = document.createElement("label");
    const filter = document.createElement("input");
    const shown = document.createElement("span");
    filter.type = "search";
    filter.id = "filter";
    filter.placeholder = "function or finding  ( / )";
    filter.setAttribute("aria-label", "Show the functions whose name or findings have");
    shown.id = "shown";
    shown.className = "dim";
    shown.setAttribute("role", "status");
    label.append(filter, " ", shown);
    document.getElementById("search").append(label);
    const apply = () => {
      const wanted = filter.value.trim().toLowerCase();
      let count = 0;
      rows.forEach(row => {
        const fits = row.textContent.toLowerCase().includes(wanted);
        count += fits ? 1 : 0;
        row.hidden = !fits;
        const link = row.querySelector("a");
        if (link) {
          document.querySelector(link.getAttribute("href")).closest("section").hidden = !fits;
        }
      });
      shown.textContent = wanted === "" ? "" : `${count} of ${rows.length} functions`;
    };
    filter.addEventListener("input", apply);
    document.addEventListener("keydown", event => {
      if (event.key === "/" && document.activeElement.tagName !== "INPUT" && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        filter.focus();
      } else if (event.key === "Escape" && filter.value !== "") {
        filter.value = "";
        apply();
      }
    });
  }
}
