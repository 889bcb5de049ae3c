/* Gradio 6.31's loading sign counts its seconds in every frame and never ends when it leaves the page, a tenth of a core, for ever, and its
   picture moves for four seconds, unseen: a twentieth. Nothing of ours is drawn so; these callbacks, known by their own text, are not
   called. Stands in front of Gradio's scripts. */
(() => {
  const next = window.requestAnimationFrame;
  const signs = /performance\.now\(\)-.{1,12}\/1e3|\.tasks\.forEach\(/;
  window.requestAnimationFrame = (drawn) => (signs.test(String(drawn)) ? 0 : next.call(window, drawn));
})();
