"use strict";
(() => {
  const open = (element) => {
    for (let at = element; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  };
  const follow = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target) { open(target); target.scrollIntoView(); }
  };
  addEventListener("hashchange", follow);
  if (location.hash) follow();
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  const old = document.getElementById("old");
  const hours = (Date.now() - Date.parse(old.dataset.at)) / 36e5;
  if (hours > 0.5) {
    const told = hours < 48 ? `${Math.max(1, Math.round(hours))} h` : `${Math.round(hours / 24)} days`;
    old.textContent = `This page was made ${told} ago. For what holds now, run: liftlock board`;
    old.hidden = false;
  }
  const find = document.getElementById("find");
  if (find) {
    find.closest("label").hidden = false;
    const rows = document.querySelectorAll("[data-service]");
    find.addEventListener("input", () => {
      const wanted = find.value.trim().toLowerCase();
      rows.forEach((row) => { row.hidden = !row.dataset.service.includes(wanted); });
    });
  }
})();
