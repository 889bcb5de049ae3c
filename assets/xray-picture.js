/* A view of X-ray taken along: copied as JSON, saved as a picture of the whole of it. */
(() => {
  const app = window.chatapp;
  const { xray, el } = { xray: app.xray, el: app.el };
  const TALLEST = 8000;
  const COLOURS = ["paper", "sheet", "shade", "hover", "rule", "ink", "soft", "faint", "moss", "moss-soft", "amber", "amber-soft", "red"];
  const MORE = ["red-soft", "hot", "blue"];

  const name = (kind) => `xray-${xray.view}-${xray.turn?.slice(0, 8)}.${kind}`;
  const said = (words) => {
    xray.status(words);
    setTimeout(() => xray.status(""), 1500);
  };

  /* A page that is not served over https or from this machine has no clipboard: there the JSON is saved. */
  xray.copy = async () => {
    const text = JSON.stringify(xray.data[xray.view] ?? null, null, 1);
    try {
      await navigator.clipboard.writeText(text);
      said("Copied as JSON");
    } catch {
      const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
      el("a", { download: name("json"), href: url }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
      said("Saved as JSON");
    }
  };

  xray.png = async () => {
    const canvas = await picture(app.$("#xray-body"));
    el("a", { download: name("png"), href: canvas.toDataURL("image/png") }).click();
    said("Saved as PNG");
  };

  const rulesOf = (sheet) => {
    try {
      return [...sheet.cssRules];
    } catch {
      return []; // another site's
    }
  };
  const rules = () =>
    [...document.styleSheets]
      .flatMap(rulesOf)
      .map((rule) => rule.cssText)
      .filter((text) => text.includes(".x-"))
      .join("\n");

  /* XML has no control characters and no half surrogates; a model may write both. */
  const CONTROL = /(?![\t\n\r])[\p{Cc}\ufffe\uffff]|&#x?[0-9a-f]+;/giu;
  const spelled = (xml) => xml.toWellFormed().replace(CONTROL, "\ufffd");

  /* A copy that shows all of what scrolls, with canvases as images. */
  function copied(body) {
    const copy = body.cloneNode(true);
    const canvases = [...body.querySelectorAll("canvas")];
    copy.querySelectorAll("canvas").forEach((node, n) => {
      const box = canvases[n].getBoundingClientRect();
      node.replaceWith(el("img", { src: canvases[n].toDataURL(), style: `width:${box.width}px;height:${box.height}px` }));
    });
    for (const node of copy.querySelectorAll("iframe")) node.remove();
    if (!app.$("#xray-unsure").hidden) copy.prepend(app.$("#xray-unsure").cloneNode(true));
    return copy;
  }

  function measured(body) {
    body.classList.add("x-whole");
    const wide = [...body.querySelectorAll(".x-scroll")].map((box) => box.scrollWidth);
    const width = Math.max(body.clientWidth, ...wide);
    body.style.width = `${width}px`;
    const height = Math.min(body.scrollHeight + 24, TALLEST);
    body.style.width = "";
    body.classList.remove("x-whole");
    return { width, height };
  }

  /* Through an SVG that carries its styles along. */
  async function picture(body) {
    const { width, height } = measured(body);
    const style = getComputedStyle(document.body);
    const own = (key) => style.getPropertyValue(`--${key}`);
    const colours = [...COLOURS, ...MORE].map((key) => `--${key}:${own(key)}`).join(";");
    const look = `${colours};width:${width}px;padding:12px;background:${own("paper")};color:${own("ink")};font:14px system-ui,sans-serif`;
    const inner = spelled(new XMLSerializer().serializeToString(copied(body)));
    const styles = `<style>${rules().replaceAll("<", "&lt;")}</style>`;
    const html = `<div xmlns="http://www.w3.org/1999/xhtml" class="x-png x-whole" style="${look}">${styles}${inner}</div>`;
    const frame = `<foreignObject width="100%" height="100%">${html}</foreignObject>`;
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width + 24}" height="${height}">${frame}</svg>`;
    const image = new Image();
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
    await image.decode();
    const canvas = el("canvas", { width: (width + 24) * 2, height: height * 2 });
    const pen = canvas.getContext("2d");
    pen.scale(2, 2);
    pen.drawImage(image, 0, 0);
    return canvas;
  }
})();
