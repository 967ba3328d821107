// What keeps people out of a page (WCAG 2.2 AA), as far as it tells by itself. Runs in the page; returns the faults.
const found = [];
const seen = (e) => { const b = e.getBoundingClientRect(), s = getComputedStyle(e);
  return b.width > 1 && b.height > 1 && s.visibility !== 'hidden' && s.clipPath === 'none'; };
const say = (e, what) => found.push(what + ': ' + e.outerHTML.slice(0, 140));
const rgb = (text) => (text.match(/[\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => { const part = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b); };
const over = (top, below) => { const a = top[3] ?? 1; return [0, 1, 2].map((i) => top[i] * a + below[i] * (1 - a)); };
const ground = (e) => { const layers = []; for (let x = e; x; x = x.parentElement) { const c = rgb(getComputedStyle(x).backgroundColor);
  layers.push(c); if ((c[3] ?? 1) === 1) break; } return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]); };
if (!document.documentElement.lang) found.push('no language');
if (!document.title.trim()) found.push('no title');
for (const [where, count] of [['main', 1], ['h1', 1], ['header', 1]])
  if (document.querySelectorAll(where).length !== count) found.push(`${document.querySelectorAll(where).length} of ${where}`);
const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
for (const id of new Set(ids.filter((x, i) => ids.indexOf(x) !== i))) found.push('twice the id ' + id);
for (const e of document.querySelectorAll('input:not([type=hidden]),select,textarea'))
  if (!e.labels?.length && !e.getAttribute('aria-label')) say(e, 'no label');
for (const e of document.querySelectorAll('a[href],button')) if (!e.textContent.trim() && !e.getAttribute('aria-label') && !e.querySelector('img[alt]:not([alt=""])')) say(e, 'no name');
for (const e of document.querySelectorAll('img')) if (!e.hasAttribute('alt')) say(e, 'no alt');
for (const e of document.querySelectorAll('svg')) if (e.getAttribute('aria-hidden') !== 'true' && !(['img', 'group'].includes(e.getAttribute('role')) && e.getAttribute('aria-label'))) say(e, 'drawing without words');
for (const e of document.querySelectorAll('table')) if (!e.querySelector('th[scope]')) say(e, 'table without headings');
for (const e of document.querySelectorAll('a[href],button,input:not([type=hidden]),select,textarea,summary')) {
  if (!seen(e) || e.closest('svg,[hidden]')) continue;
  const b = e.getBoundingClientRect(), inline = getComputedStyle(e).display === 'inline';
  if (!inline && (b.height < 23.5 || b.width < 23.5) && !['radio', 'checkbox'].includes(e.type)) say(e, `small target ${b.width}x${b.height}`);
}
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const told = new Set();
while (walk.nextNode()) { const e = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || told.has(e) || !seen(e) || e.closest('svg,.away,template,option')) continue;
  told.add(e); const style = getComputedStyle(e), back = ground(e), front = over(rgb(style.color), back);
  const [a, b] = [light(front), light(back)].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
  const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
  if (ratio < (large ? 3 : 4.5)) say(e, `contrast ${ratio.toFixed(2)}`); }
let level = 0;
for (const e of document.querySelectorAll('h1,h2,h3,h4')) { const now = Number(e.tagName[1]); if (level && now > level + 1) say(e, 'skips a level'); level = now; }
if (document.documentElement.scrollWidth > innerWidth + 1) found.push(`wider than the window: ${document.documentElement.scrollWidth} > ${innerWidth}`);
return found;
