// Keymaps of the console: those of kbd and console-data, and those that only system-config-keyboard of EL5 and EL6 has. It is
// unknown which version of kbd added which, so every release is given all of them.
const keymaps = new Set(
  words(`
ANSI-dvorak amiga-de amiga-us applkey ar ar-azerty ar-azerty-digits ar-digits ar-qwerty ar-qwerty-digits azerty
backspace bashkir be-latin1 be2-latin1 ben ben-probhat bg bg-cp1251 bg_bds-utf8 bg_pho-utf8 br-abnt br-abnt-alt
br-abnt2 br-latin1 br-latin1-abnt2 br-latin1-us by bywin-cp1251 ca-multi carpalx carpalx-full cf colemak croat
cz cz-cp1250 cz-lat2 cz-lat2-prog cz-qwertz cz-us-qwerty cz-us-qwertz de de-latin1 de-latin1-nodeadkeys de-mobii
de-neo de_CH-latin1 de_alt_UTF-8 defkeymap defkeymap_V1.0 dev disable.capslock dk dk-latin1 dvorak dvorak-ca-fr
dvorak-classic dvorak-de dvorak-fr dvorak-fr-bepo dvorak-fr-bepo-utf8 dvorak-l dvorak-lisp dvorak-programmer
dvorak-r dvorak-ru dvorak-sv-a1 dvorak-sv-a5 dvorak-uk emacs emacs2 es es-cp850 et et-nodeadkeys euro euro1
euro2 fa fi fi-latin1 fr fr-bepo fr-bepo-latin9 fr-dvorak-bepo fr-latin0 fr-latin1 fr-latin9 fr-mac fr-old fr-pc
fr-x11 fr_CH fr_CH-latin1 gr gr-pc gr-utf8 guj gur hebrew hu hu101 hypermap.m4 ie il il-heb il-phonetic is-
latin1 is-latin1-us it it-ibm it2 jp jp106 kazakh kg kk ko ky_alt_sh-UTF-8 kyrgyz la-latin1 lisp-us lk201-us lt
lt.l4 lv lv-latin4 lv-latin7 lv-tilde mac-be mac-de-latin1 mac-de-latin1-nodeadkeys mac-de_CH mac-dk-latin1 mac-
dvorak mac-es mac-euro mac-euro2 mac-fi-latin1 mac-fr mac-fr_CH-latin1 mac-it mac-no-latin1 mac-pl mac-pt-latin1
mac-se mac-template mac-uk mac-us mac-usb-be mac-usb-de-latin1 mac-usb-de-latin1-nodeadkeys mac-usb-de_CH mac-
usb-dk-latin1 mac-usb-dvorak mac-usb-es mac-usb-euro mac-usb-fi-latin1 mac-usb-fr mac-usb-fr_CH-latin1 mac-usb-
it mac-usb-pt-latin1 mac-usb-se mac-usb-uk mac-usb-us mk mk-cp1251 mk-utf mk0 mod-dh-ansi-us mod-dh-iso-us neo
neoqwertz nl nl2 no no-dvorak no-latin1 no-latin1.doc no-standard pc-dvorak-latin1 pc110 pl pl-qwertz pl1 pl2
pl3 pl4 pt-latin1 pt-old pt-olpc ro ro-academic ro-cedilla ro-comma ro-std ro-std-cedilla ro_std ro_win ru ru-
cp1251 ru-ms ru-yawerty ru1 ru2 ru3 ru4 ru_win ruwin_alt-CP1251 ruwin_alt-KOI8-R ruwin_alt-UTF-8 ruwin_cplk-
CP1251 ruwin_cplk-KOI8-R ruwin_cplk-UTF-8 ruwin_ct_sh-CP1251 ruwin_ct_sh-KOI8-R ruwin_ct_sh-UTF-8 ruwin_ctrl-
CP1251 ruwin_ctrl-KOI8-R ruwin_ctrl-UTF-8 se-fi-ir209 se-fi-lat6 se-ir209 se-lat6 se-latin1 sg sg-latin1 sg-
latin1-lk450 sk-prog sk-prog-qwerty sk-prog-qwertz sk-qwerty sk-qwertz slovene sr sr-cy sr-latin sun-pl sun-pl-
altgraph sundvorak sunkeymap sunt4-es sunt4-fi-latin1 sunt4-no-latin1 sunt5-cz-us sunt5-de-latin1 sunt5-es
sunt5-fi-latin1 sunt5-fr-latin1 sunt5-ru sunt5-uk sunt5-us-cz sunt6-uk sv-latin1 th-tis tj_alt-UTF8 tml-inscript
tml-uni tr_f-latin5 tr_q-latin5 tralt trf trf-fgGIod trfu trq trqu ttwin_alt-UTF-8 ttwin_cplk-UTF-8 ttwin_ct_sh-
UTF-8 ttwin_ctrl-UTF-8 ua ua-cp1251 ua-utf ua-utf-ws ua-ws uaw uaw_uni uk us us-acentos us-intl us-intl.iso01
us-intl.iso15 us-latin1 wangbe wangbe2 windowkeys wo
`),
);

// Layouts of X, from xkeyboard-config's `rules/base.lst`. From EL7 on they are keymaps of the console too, also with their
// variants, such as `de-nodeadkeys`.
const layouts = new Set(
  words(`
af al am ara at au az ba bd be bg br brai bt bw by ca cd ch cm cn cz de dk dz ee epo es et fi fo fr gb ge gh gn
gr hr hu id ie il in iq ir is it jp jv ke kg kh kr kz la latam lk lt lv ma mao md me mk ml mm mn mt mv my ng nl
no np ph pk pl pt ro rs ru se si sk sn sy tg th tj tm tr tw tz ua us uz vn za
`),
);

/** The names of keyboards that a release accepts; from EL7 on also variants of layouts, which are not listed. */
export function keyboardsOf(major: number): readonly string[] {
  return major >= 7 ? [...new Set([...keymaps, ...layouts])] : [...keymaps];
}

export function isKeyboard(name: string, major: number): boolean {
  if (keymaps.has(name)) return true;
  return major >= 7 && layouts.has(name.split("-")[0] ?? "");
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
