/** What the catalog's pages look like, beside what all pages of tbuild's do. */
export const style = `
:root{--plus:#2f7d4f;--minus:#b3402a;--up:#1f6f94;--tint:#eef3f8}
@media (prefers-color-scheme:dark){:root{--plus:#65bf8b;--minus:#ec7f66;--up:#6cb8dc;--tint:#202a36}}
main{max-width:74rem}a{color:var(--up);text-decoration:none}a:hover{text-decoration:underline}
h1 small{font-weight:400;color:var(--soft);font-size:1.2rem;margin-left:.5rem}
.badge{display:inline-block;border-radius:99px;padding:.05rem .6rem;font:500 .75rem/1.5 system-ui,sans-serif;border:1px solid var(--line);color:var(--soft);margin-right:.3rem;white-space:nowrap}
.badge.stable{background:var(--plus);border-color:var(--plus);color:var(--paper)}.badge.candidate{border-color:var(--up);color:var(--up)}
.badge.revoked{background:var(--minus);border-color:var(--minus);color:var(--paper)}.badge.rehearsal{border-style:dashed}
.warning+.proposal{margin-top:.7rem}.proposal{background:var(--tint);border-radius:10px;padding:.7rem 1rem;margin:0}.level{display:inline-block;border-radius:6px;padding:0 .5rem;margin-right:.5rem;background:var(--line)}
.level.major{background:var(--minus);color:var(--paper)}.level.minor{background:var(--up);color:var(--paper)}.level.patch{background:var(--plus);color:var(--paper)}
.diff{list-style:none;margin:0;padding:0;font:.86rem/1.6 ui-monospace,monospace;overflow-wrap:anywhere}.diff li{display:grid;grid-template-columns:1.4rem 1fr}.diff i{font-style:normal;font-weight:700}
.diff .plus>i,pre .plus{color:var(--plus)}.diff .minus>i,pre .minus{color:var(--minus)}.diff .up>i,pre .at{color:var(--up)}.diff .other>i,.diff .down>i{color:#a8760a}
.diff pre{background:var(--wash);border-radius:8px;padding:.6rem .8rem;margin:.3rem 0 .8rem;max-height:none}.diff pre span{display:block;min-height:1.4em}
.templates td{font-family:inherit;font-size:.92rem;padding:.5rem .9rem .5rem 0}.templates td:first-child a{font-weight:600}td.num,th.num{text-align:right;font-variant-numeric:tabular-nums}
.gone td{color:var(--soft)}.gone td:first-child a{text-decoration:line-through}
input,select{font:inherit;color:inherit;background:var(--wash);border:1px solid var(--line);border-radius:7px;padding:.4rem .6rem;box-sizing:border-box;width:100%}
input:focus,select:focus{outline:2px solid var(--up);outline-offset:-1px}.search{max-width:24rem}
.form{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:1.8rem}.fields{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:0 1.2rem;align-items:end}
@media (max-width:60rem){.form{grid-template-columns:1fr}}
.field{display:block;margin:0 0 .8rem}.field b{font:600 .83rem ui-monospace,monospace;overflow-wrap:anywhere}.field .note{display:block;margin:.05rem 0 .25rem}
.required:after{content:" required";color:var(--minus);font:500 .75rem system-ui,sans-serif}
.messages{position:sticky;top:1rem;align-self:start}.messages pre{background:var(--wash);border:1px solid var(--line);border-radius:8px;padding:.8rem;min-height:8rem;white-space:pre-wrap;overflow-wrap:anywhere}
.tabs{display:flex;gap:.4rem;margin:0 0 .6rem;flex-wrap:wrap}button{font:inherit;font-size:.88rem;color:inherit;background:var(--wash);border:1px solid var(--line);border-radius:7px;padding:.3rem .8rem;cursor:pointer}
button[aria-pressed=true]{background:var(--up);border-color:var(--up);color:var(--paper)}
.lineage{list-style:none;margin:0;padding:0}.lineage li{padding:.15rem 0}.lineage li+li:before{content:"↑ ";color:var(--soft)}
nav.versions{display:flex;flex-wrap:wrap;gap:.3rem 1rem;margin:.6rem 0 0}
.columns{columns:3 14rem}.columns p{margin:0;font:.83rem/1.6 ui-monospace,monospace;overflow-wrap:anywhere}`;
