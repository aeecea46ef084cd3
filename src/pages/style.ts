import { pageStyle } from "../html.ts";

/** The style sheet of the catalog, one file beside the list. */
export const sheetFile = "style.css";
export const sheet = () => `${pageStyle}${style}\n`;

/** Styles of the catalog, in addition to those of all tbuild pages. */
export const style = `
:root{--plus:#2f7d4f;--minus:#b3402a;--up:#1f6f94;--other:#8a5f00;--tint:#e9f0f7}
@media (prefers-color-scheme:dark){:root{--plus:#65bf8b;--minus:#ec7f66;--up:#6cb8dc;--other:#e0b050;--tint:#22303f}}
main{max-width:74rem}a{color:var(--up);text-decoration:none}a:hover{text-decoration:underline}
h1 small{font-weight:400;color:var(--soft);font-size:1.2rem;margin-left:.5rem}
.badge{display:inline-block;border-radius:99px;padding:.05rem .6rem;font:500 .75rem/1.5 system-ui,sans-serif;border:1px solid var(--line);color:var(--soft);margin-right:.3rem;white-space:nowrap}
.badge.stable{background:var(--plus);border-color:var(--plus);color:var(--paper)}.badge.candidate{border-color:var(--up);color:var(--up)}
.badge.revoked{background:var(--minus);border-color:var(--minus);color:var(--paper)}.badge.rehearsal,.badge.untried{border:1px dashed var(--other);color:var(--other)}
.warning+.proposal{margin-top:.7rem}.proposal{background:var(--tint);border-radius:10px;padding:.7rem 1rem;margin:0}.level{display:inline-block;border-radius:6px;padding:0 .5rem;margin-right:.5rem;background:var(--line)}
.level.major{background:var(--minus);color:var(--paper)}.level.minor{background:var(--up);color:var(--paper)}.level.patch{background:var(--plus);color:var(--paper)}
.diff{list-style:none;margin:0;padding:0;font:.86rem/1.6 ui-monospace,monospace;overflow-wrap:anywhere}.diff li{display:grid;grid-template-columns:1.4rem minmax(0,1fr)}.diff i{font-style:normal;font-weight:700}
.diff .plus>i,pre .plus{color:var(--plus)}.diff .minus>i,pre .minus{color:var(--minus)}.diff .up>i,pre .at{color:var(--up)}.diff .other>i,.diff .down>i{color:var(--other)}
.diff pre{background:var(--wash);border-radius:8px;padding:.6rem .8rem;margin:.3rem 0 .8rem;max-height:none}.diff pre span{display:block;min-height:1.4em}
.templates td{font-family:inherit;font-size:.92rem;padding:.5rem .9rem .5rem 0}.templates td:first-child a{font-weight:600}td.num,th.num{text-align:right;font-variant-numeric:tabular-nums;padding-right:1.8rem!important}.templates .badge{margin:.05rem .3rem .05rem 0}
@media (min-width:60rem){.templates{table-layout:fixed}}tr[hidden]{display:none!important}
@media (max-width:44rem){.templates,.templates tbody{display:block}.templates thead{display:none}.templates tr{display:grid;grid-template-columns:auto 1fr;gap:.15rem .8rem;padding:.7rem 0;border-bottom:1px solid var(--line)}
.templates tr:first-child{padding-top:0}.templates tr:last-child{border:0;padding-bottom:0}.templates td,.templates td.num{border:0;padding:0!important;text-align:right}.templates td:first-child,.templates td:nth-child(2){text-align:left}
.templates td[data-label]{grid-column:1/-1;display:flex;justify-content:space-between;gap:1rem}.templates td[data-label]:before{content:attr(data-label);color:var(--soft)}}
.gone td{color:var(--soft)}.gone td:first-child a{text-decoration:line-through}
input,select{font:inherit;color:inherit;background:var(--wash);border:1px solid var(--line);border-radius:7px;padding:.4rem .6rem;box-sizing:border-box;width:100%}
input:focus,select:focus{outline:2px solid var(--up);outline-offset:-1px}.search{max-width:24rem}
.form{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:1.8rem}.fields{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:0 1.2rem}.fields+h3{margin-top:.4rem}h3{font-size:.92rem;margin:0 0 .6rem;padding-bottom:.25rem;border-bottom:1px solid var(--line)}details h3{margin-top:.6rem}
@media (max-width:60rem){.form{grid-template-columns:minmax(0,1fr)}.fields{grid-template-columns:repeat(auto-fill,minmax(min(15rem,100%),1fr))}}
.field{display:flex;flex-direction:column;margin:0 0 .9rem}.field input{margin-top:auto}.field select{margin-top:auto}.field .fault{color:var(--minus);font-style:normal;font-size:.83rem}.field .fault:empty{display:none}.field b{font:600 .83rem ui-monospace,monospace;overflow-wrap:anywhere}.field .note{display:block;margin:.05rem 0 .25rem}
.required:after{content:" required";color:var(--minus);font:500 .75rem system-ui,sans-serif}
@media (min-width:60rem){.messages{position:sticky;top:1rem;align-self:start}}.messages pre{background:var(--wash);border:1px solid var(--line);border-radius:8px;padding:.8rem;min-height:8rem;white-space:pre-wrap;overflow-wrap:anywhere}
.messages pre:empty:before{content:"What you fill in becomes messages here.";color:var(--soft);font-family:system-ui,sans-serif}.field .note{line-height:1.4}
.tabs{display:flex;gap:.4rem;margin:0 0 .6rem;flex-wrap:wrap}button{font:inherit;font-size:.88rem;color:inherit;background:var(--wash);border:1px solid var(--line);border-radius:7px;padding:.3rem .8rem;cursor:pointer}
button[aria-pressed=true]{background:var(--up);border-color:var(--up);color:var(--paper)}
.lineage{list-style:none;margin:0;padding:0}.lineage li{padding:.15rem 0}.lineage li+li:before{content:"↑ ";color:var(--soft)}
nav.versions{display:flex;flex-wrap:wrap;gap:.4rem;margin:.6rem 0 0}nav.versions>*{border:1px solid var(--line);border-radius:7px;padding:.1rem .6rem;background:var(--paper);font-variant-numeric:tabular-nums}nav.versions b{background:var(--up);border-color:var(--up);color:var(--paper)}nav.versions .gone{text-decoration:line-through;color:var(--soft)}
.changes{margin:.7rem 0 0}footer{color:var(--soft);font-size:.85rem;margin-top:1.6rem}
.columns{columns:3 14rem}.columns p{margin:0;font:.83rem/1.6 ui-monospace,monospace;overflow-wrap:anywhere}`;
