(function () {
  "use strict";
  var steps = Array.prototype.slice.call(document.querySelectorAll("details.step"));
  var tools = document.getElementById("tools");
  var find = document.getElementById("find");
  var only = document.getElementById("only");
  var count = document.getElementById("count");
  var texts = [];
  function text(i) {
    if (texts[i] === undefined) { texts[i] = steps[i].textContent.toLowerCase(); }
    return texts[i];
  }
  function show() {
    var words = find.value.toLowerCase();
    var shown = 0;
    steps.forEach(function (step, i) {
      var is = (!only.checked || step.dataset.refused === "1") && (!words || text(i).indexOf(words) >= 0);
      step.hidden = !is;
      if (is) { shown += 1; }
    });
    count.textContent = shown + " of " + steps.length + " steps";
  }
  function all(open) {
    steps.forEach(function (step) { step.open = open; });
  }
  function go(by) {
    var seen = steps.filter(function (step) { return !step.hidden; });
    var at = -1;
    seen.forEach(function (step, i) { if (step.getBoundingClientRect().top < 90) { at = i; } });
    var next = seen[Math.max(0, Math.min(seen.length - 1, at + by))];
    if (next) { next.open = true; next.scrollIntoView(); next.querySelector("summary").focus({ preventScroll: true }); }
  }
  function target() {
    var step = document.getElementById(location.hash.slice(1));
    if (step && step.tagName === "DETAILS") { step.hidden = false; step.open = true; step.scrollIntoView(); }
  }
  var later;
  find.addEventListener("input", function () { clearTimeout(later); later = setTimeout(show, 120); });
  only.addEventListener("change", show);
  document.getElementById("open").addEventListener("click", function () { all(true); });
  document.getElementById("close").addEventListener("click", function () { all(false); });
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === find) { return; }
    if (event.key === "j") { go(1); }
    if (event.key === "k") { go(-1); }
    if (event.key === "/") { event.preventDefault(); find.focus(); }
  });
  window.addEventListener("beforeprint", function () { all(true); });
  window.addEventListener("hashchange", target);
  tools.hidden = false;
  show();
  target();
})();
