"use strict";
(() => {
  const themes = ["system", "light", "dark"];
  const toggle = document.getElementById("theme");
  let theme = 0;
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    theme = (theme + 1) % themes.length;
    toggle.textContent = `Theme: ${themes[theme]}`;
    if (theme) document.documentElement.dataset.theme = themes[theme];
    else delete document.documentElement.dataset.theme;
  });

  const sort = document.getElementById("sort");
  const list = document.getElementById("layer-list");
  if (sort && list) {
    sort.hidden = false;
    sort.addEventListener("click", ({ target }) => {
      const key = target.dataset.key;
      if (!key) return;
      for (const button of sort.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button === target));
      list.append(...[...list.children].sort((a, b) => a.dataset[key] - b.dataset[key] || a.dataset.number - b.dataset.number));
    });
  }

  const reveal = () => {
    const details = document.getElementById(location.hash.slice(1))?.closest("details");
    if (details && !details.open) { details.open = true; details.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  reveal();
})();
