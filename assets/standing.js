/* The page stands, and can be used, before Gradio's own frontend has come: its markup is the value of a gr.HTML, which is in the
   configuration inside the HTML. When Gradio has mounted that component, what stands moves into it as it is. */
(() => {
  const app = window.chatapp;
  let standing = null;

  const component = ({ components = [] } = {}) => components.find(({ props }) => props.elem_id === "page");

  /* In Gradio's place: under the class that its style begins with. Its component then has nothing to build. */
  function build({ version }, { props }) {
    standing = app.el("div", { id: "standing", class: `gradio-container gradio-container-${version.replaceAll(".", "-")}` });
    standing.innerHTML = props.value;
    props.value = "";
    document.body.append(standing);
  }

  function begin() {
    app.stands();
    if (app.$("#message")) app.begin();
    app.xray.begin();
  }

  /* Called at the end of the page's HTML. Where Gradio should tell nothing about the page any more, its component begins it. */
  app.stand = (config) => {
    const found = component(config);
    if (!found) return;
    build(config, found);
    begin();
  };

  /* Where a browser moves no elements as they are, what was scrolled and a question that was asked is put back. */
  function carry(home, node) {
    if (home.moveBefore) return home.moveBefore(node, null);
    const scrolled = [...node.querySelectorAll("*")].filter((one) => one.scrollTop).map((one) => [one, one.scrollTop]);
    const asking = [...document.querySelectorAll("dialog:modal")].filter((dialog) => node.contains(dialog));
    home.append(node);
    for (const [one, top] of scrolled) one.scrollTop = top;
    for (const dialog of asking) {
      dialog.open = false;
      dialog.showModal();
    }
  }

  /* Called by Gradio's component once it is mounted. No browser moves a selection of words. */
  app.mounted = (home) => {
    if (!standing) return begin();
    const held = document.activeElement;
    const { isCollapsed, anchorNode, anchorOffset, focusNode, focusOffset } = getSelection();
    for (const node of [...standing.children]) carry(home, node);
    standing.remove();
    if (held !== document.activeElement) held.focus({ preventScroll: true });
    if (!isCollapsed) getSelection().setBaseAndExtent(anchorNode, anchorOffset, focusNode, focusOffset);
    app.tell("mounted");
  };
})();
