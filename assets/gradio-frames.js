/* Gradio 6.31's loading sign counts its seconds in every frame and never ends when it leaves the page: a tenth of a core, for ever.
   Nothing of ours shows such seconds, so its callbacks, known by their own text, are not called. Stands in front of Gradio's scripts. */
(() => {
  const next = window.requestAnimationFrame;
  const seconds = /performance\.now\(\)-.{1,12}\/1e3/;
  window.requestAnimationFrame = (drawn) => (seconds.test(String(drawn)) ? 0 : next.call(window, drawn));
})();
