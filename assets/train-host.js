/* The page Train is a host of X-ray's drawing, as xray.js is beside a chat; its tabs are those of Any text, but for bertviz's frame. */
(() => {
  const app = window.chatapp;
  const text = { tabs: [] };
  text.tab = (tab) => tab.name === "bertviz" || text.tabs.push(tab);
  app.text = text;
  app.xray = { turn: null, views: {}, asked: {}, root: () => app.$("#xray"), whole: () => true };
})();
