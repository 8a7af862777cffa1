// Runs before the first paint, so that a chosen scheme does not flash; page.js switches it.
try {
  const chosen = localStorage.getItem("seqrec.theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // storage is blocked: the system's scheme it is
}
