// Keymaps of the console: those of kbd and console-data, and those that are only in system-config-keyboard of
// EL5 and EL6. It is unknown which version of kbd added which, so all of them are valid for every release.
const keymaps = new Set(
  words(`
amiga-de amiga-es amiga-fr amiga-it amiga-se amiga-sg amiga-us ANSI-dvorak applkey ar ar-azerty ar-azerty-digits
ar-digits ar-qwerty ar-qwerty-digits atari-de atari-de-deadkeys atari-de-emacs atari-fr atari-se
atari-se-deadkeys atari-uk atari-uk-deadkeys atari-uk-falcon atari-us atari-us-deadkeys azerty backspace bashkir
be-latin1 be2-latin1 ben ben-probhat bg bg-cp1251 bg-cp855 bg_bds-cp1251 bg_bds-utf8 bg_pho-cp1251 bg_pho-utf8
br-abnt br-abnt-alt br-abnt2 br-latin1 br-latin1-abnt2 br-latin1-us by bywin-cp1251 ca-multi carpalx
carpalx-full cf colemak croat ctrl cz cz-cp1250 cz-lat2 cz-lat2-prog cz-qwertz cz-us-qwerty cz-us-qwertz de
de-latin1 de-latin1-nodeadkeys de-mobii de-neo de_alt_UTF-8 de_CH-latin1 defkeymap defkeymap_V1.0 dev
disable.capslock dk dk-latin1 dvorak dvorak-ca-fr dvorak-classic dvorak-de dvorak-es dvorak-fr dvorak-fr-bepo
dvorak-fr-bepo-utf8 dvorak-l dvorak-lisp dvorak-programmer dvorak-r dvorak-ru dvorak-sv-a1 dvorak-sv-a5
dvorak-uk emacs emacs2 en-latin9 es es-cp850 et et-nodeadkeys euro euro1 euro2 fa fi fi-latin1 fi-latin9 fi-old
fr fr-bepo fr-bepo-latin9 fr-dvorak-bepo fr-latin0 fr-latin1 fr-latin9 fr-mac fr-old fr-pc fr-x11 fr_CH
fr_CH-latin1 gr gr-pc gr-utf8 guj gur hebrew hu hu101 hypermap.m4 ibook-it ibook2-uk ie il il-heb il-phonetic
is-latin1 is-latin1-us it it-ibm it2 jp jp106 kazakh keypad kg kk ko ky_alt_sh-UTF-8 kyrgyz la-latin1 lisp-us
lk201-us lt lt.baltic lt.l4 lv lv-latin4 lv-latin7 lv-tilde mac-be mac-de-latin1 mac-de-latin1-nodeadkeys
mac-de2-ext mac-de_CH mac-dk-latin1 mac-dvorak mac-es mac-euro mac-euro2 mac-fi-latin1 mac-fr mac-fr-ext
mac-fr2-ext mac-fr3 mac-fr_CH-latin1 mac-ibook-de mac-ibook-de-deadkeys mac-it mac-macbook-de mac-macbook-fr
mac-no-latin1 mac-pl mac-pl_m-ext mac-pl_m-ext1 mac-pt-latin1 mac-se mac-template mac-uk mac-us mac-us-dvorak
mac-us-ext mac-us-std mac-usb-be mac-usb-de-latin1 mac-usb-de-latin1-nodeadkeys mac-usb-de_CH mac-usb-dk-latin1
mac-usb-dvorak mac-usb-es mac-usb-euro mac-usb-fi-latin1 mac-usb-fr mac-usb-fr_CH-latin1 mac-usb-it
mac-usb-pt-latin1 mac-usb-se mac-usb-uk mac-usb-us mk mk-cp1251 mk-utf mk0 mod-dh-ansi-us mod-dh-iso-us neo
neoqwertz nl nl-std nl2 no no-dvorak no-latin1 no-latin1.doc no-standard pc-dvorak-latin1 pc110 pl pl-qwertz pl1
pl2 pl3 pl4 pt-latin1 pt-latin9 pt-old pt-olpc ro ro-academic ro-cedilla ro-comma ro-std ro-std-cedilla ro_std
ro_win ru ru-cp1251 ru-ms ru-yawerty ru1 ru2 ru3 ru4 ru_win ruwin_alt-CP1251 ruwin_alt-KOI8-R ruwin_alt-UTF-8
ruwin_alt_sh-UTF-8 ruwin_cplk-CP1251 ruwin_cplk-KOI8-R ruwin_cplk-UTF-8 ruwin_ct_sh-CP1251 ruwin_ct_sh-KOI8-R
ruwin_ct_sh-UTF-8 ruwin_ctrl-CP1251 ruwin_ctrl-KOI8-R ruwin_ctrl-UTF-8 se-fi-ir209 se-fi-lat6 se-ir209 se-lat6
se-latin1 sg sg-latin1 sg-latin1-lk450 sk-prog sk-prog-qwerty sk-prog-qwertz sk-qwerty sk-qwertz slovene sr
sr-cy sr-latin sun-pl sun-pl-altgraph sundvorak sunkeymap sunt4-es sunt4-fi-latin1 sunt4-ja sunt4-no-latin1
sunt5-cz-us sunt5-de-latin1 sunt5-es sunt5-fi-latin1 sunt5-fr-latin1 sunt5-ja sunt5-no sunt5-ru sunt5-trqalt
sunt5-uk sunt5-us-cz sunt6-uk sv-latin1 th-tis tj_alt-UTF8 tml-inscript tml-uni tr_f-latin5 tr_q-latin5 tralt
trf trf-fgGIod trfu trq trqu ttwin_alt-UTF-8 ttwin_cplk-UTF-8 ttwin_ct_sh-UTF-8 ttwin_ctrl-UTF-8 ua ua-cp1251
ua-utf ua-utf-ws ua-ws uaw uaw_uni uk unicode us us-acentos us-intl us-intl.iso01 us-intl.iso15 us-latin1 wangbe
wangbe2 windowkeys wo
`),
);

// Layouts of X and their variants: those of xkeyboard-config 2.35, with its extras, and those of EL7 that it no longer has.
// From EL7 on, a layout (`de`) and one with its variant (`de-nodeadkeys`) are keymaps of the console, too.
const layouts = new Map(
  `
af: fa-olpc ps ps-olpc uz uz-olpc
al: plisi plisi-d1 veqilharxhi
am: eastern eastern-alt olpc-phonetic phonetic phonetic-alt western
apl: apl2 aplplusII aplx dyalog sax unified
ara: azerty azerty_digits basic_ext basic_ext_digits buckwalter digits ergoarabic mac olpc qwerty
  qwerty_digits sun_type6 uga
at: mac nodeadkeys sundeadkeys
au
az: cyrillic
ba: alternatequotes unicode unicodeus us
bd: probhat
be: iso-alternate nodeadkeys oss oss_latin9 oss_sundeadkeys sun_type6 sundeadkeys wang
bg: bas_phonetic bekl phonetic
br: dvorak nativo nativo-epo nativo-us nodeadkeys sun_type6 thinkpad
brai: left_hand left_hand_invert right_hand right_hand_invert
bt
bw
by: intl latin legacy ru
ca: eng fr-dvorak fr-legacy ike kut multi multi-2gr multix shs sun_type6
cd
ch: de_mac de_nodeadkeys de_sundeadkeys fr fr_mac fr_nodeadkeys fr_sundeadkeys legacy sun_type6_de
  sun_type6_fr
cm: azerty dvorak french mmuock qwerty
cn: altgr-pinyin mon_manchu_galik mon_todo_galik mon_trad mon_trad_galik mon_trad_manchu mon_trad_todo
  mon_trad_xibe tib tib_asciinum ug
cz: bksl coder dvorak-ucw prog prog_typo qwerty qwerty-mac qwerty_bksl rus sun_type6 typo ucw
de: T3 adnw bone bone_eszett_home deadacute deadgraveacute deadtilde dsb dsb_qwertz dvorak e1 e2 hu koy
  legacy lld mac mac_nodeadkeys neo neo_qwerty neo_qwertz nodeadkeys pl qwerty ro ro_nodeadkeys ru ru-recom
  ru-translit sun_type6 sundeadkeys tr us
dk: dvorak mac mac_nodeadkeys nodeadkeys sun_type6 winkeys
dz: ar azerty-deadkeys ber qwerty-gb-deadkeys qwerty-us-deadkeys
ee: dvorak nodeadkeys sun_type6 us
eg
epo: legacy
es: ast cat deadtilde dvorak mac nodeadkeys olpc sun_type6 sundeadkeys winkeys
et
eu
fi: classic das fidvorak mac nodeadkeys smi sun_type6 winkeys
fo: nodeadkeys
fr: afnor azerty bepo bepo_afnor bepo_latin9 bre dvorak geo latin9 latin9_nodeadkeys latin9_sundeadkeys mac
  nodeadkeys oci oss oss_latin9 oss_nodeadkeys oss_sundeadkeys sun_type6 sundeadkeys us us-alt us-azerty
gb: colemak colemak_dh dvorak dvorakukp extd gla intl mac mac_intl pl sun_type6
ge: ergonomic mess os ru
gh: akan avn ewe fula ga generic gillbt hausa
gn
gr: colemak extended nodeadkeys polytonic simple sun_type6
hr: alternatequotes unicode unicodeus us
hu: 101_qwerty_comma_dead 101_qwerty_comma_nodead 101_qwerty_dot_dead 101_qwerty_dot_nodead
  101_qwertz_comma_dead 101_qwertz_comma_nodead 101_qwertz_dot_dead 101_qwertz_dot_nodead
  102_qwerty_comma_dead 102_qwerty_comma_nodead 102_qwerty_dot_dead 102_qwerty_dot_nodead
  102_qwertz_comma_dead 102_qwertz_comma_nodead 102_qwertz_dot_dead 102_qwertz_dot_nodead nodeadkeys oldhun
  oldhunlig qwerty standard
id: phonetic phoneticx
ie: CloGaelach UnicodeExpert ogam ogam_is434
il: biblical biblicalSIL lyx phonetic
in: ben ben_baishakhi ben_bornona ben_gitanjali ben_inscript ben_probhat bolnagri eeyek eng guj guru
  hin-kagapa hin-wx iipa jhelum kan kan-kagapa mal mal_enhanced mal_lalitha mar-kagapa marathi modi-kagapa
  olck ori ori-bolnagri ori-wx san-kagapa san-misc tam tam_tamilnet tam_tamilnet_TAB tam_tamilnet_TSCII
  tam_tamilnet_with_tam_nums tel tel-kagapa tel-sarala urd-navees urd-phonetic urd-phonetic3 urd-winkeys
iq: ku ku_alt ku_ara ku_f
ir: ave ku ku_alt ku_ara ku_f pes_keypad
is: Sundeadkeys dvorak mac mac_legacy nodeadkeys
it: dvorak fur geo ibm intl lld mac nodeadkeys scn sun_type6 us winkeys
jp: OADG109A dvorak kana kana86 mac sun_type6 sun_type7 sun_type7_suncompat
jv
ke: kik
kg: phonetic
kh
kr: kr104 sun_type6
kz: ext kazrus latin ruskaz
la: stea
latam: colemak colemak-gaming deadtilde dvorak nodeadkeys sundeadkeys
lk: tam_TAB tam_unicode us
lt: ibm lekp lekpa ratise sgs std sun_type6 us us_dvorak
lv: adapted apostrophe apostrophe-deadquotes apostrophecolemak colemak dvorak dvorakprogr ergonomic fkey
  minuskeydvorak minuskeydvorakprogr modern sun_type6 tilde ykeydvorak ykeydvorakprogr
ma: french rif tifinagh tifinagh-alt tifinagh-alt-phonetic tifinagh-extended tifinagh-extended-phonetic
  tifinagh-phonetic
mao
md: gag
me: cyrillic cyrillicalternatequotes cyrillicyz latinalternatequotes latinunicode latinunicodeyz latinyz
mk: nodeadkeys
ml: fr-oss us-intl us-mac
mm: mnw mnw-a1 shn zawgyi zgt
mn
mt: alt-gb alt-us us
mv
my: phonetic
ng: hausa igbo yoruba
nl: mac std sun_type6 sundeadkeys us
no: colemak dvorak mac mac_nodeadkeys nodeadkeys smi smi_nodeadkeys sun_type6 winkeys
np
ph: capewell-dvorak capewell-dvorak-bay capewell-qwerf2k6 capewell-qwerf2k6-bay colemak colemak-bay dvorak
  dvorak-bay qwerty-bay
pk: ara snd urd-crulp urd-navees urd-nla
pl: colemak colemak_dh csb dvorak dvorak_altquotes dvorak_quotes dvp glagolica intl lefty legacy qwertz
  ru_phonetic_dvorak sun_type6 szl
pt: colemak mac mac_nodeadkeys mac_sundeadkeys nativo nativo-epo nativo-us nodeadkeys sun_type6 sundeadkeys
ro: cedilla crh_dobruja ergonomic std std_cedilla sun_type6 winkeys
rs: alternatequotes combiningkeys latin latinalternatequotes latinunicode latinunicodeyz latinyz rue yz
ru: bak chm chu cv cv_latin dos gost-14289-88 gost-6431-75-48 kom legacy mac os_legacy os_winkeys phonetic
  phonetic_YAZHERTY phonetic_azerty phonetic_dvorak phonetic_fr phonetic_mac phonetic_winkeys prxn rulemak
  ruu sah srp sun_type6 tt typewriter typewriter-legacy udm unipunct xal
se: dvorak dvorak_a5 mac nodeadkeys ovd rus rus_nodeadkeys smi sun_type6 svdvorak swl us us_dvorak
si: alternatequotes us
sk: acc bksl qwerty qwerty_bksl sun_type6
sn
sy: ku ku_alt ku_f syc syc_phonetic
tg
th: pat tis
tj: legacy
tm: alt
tr: alt crh crh_alt crh_f f intl ku ku_alt ku_f ot otf otk otkf sun_type6 sundeadkeys us
trans: qwerty
tw: indigenous saisiyat
tz
ua: crh crh_alt crh_f homophonic legacy macOS phonetic rstu rstu_ru sun_type6 typewriter winkeys
us: 3l 3l-cros 3l-emacs alt-intl alt-intl-unicode altgr-intl altgr-weur ats carpalx carpalx-altgr-intl
  carpalx-full carpalx-full-altgr-intl carpalx-full-intl carpalx-intl chr colemak colemak_dh colemak_dh_iso
  crd cz_sk_de cz_sk_pl_de_es_fi_sv de_se_fi drix dvorak dvorak-alt-intl dvorak-classic dvorak-intl dvorak-l
  dvorak-mac dvorak-r dvp euro haw hbs ibm238l intl intl-unicode mac norman olpc2 rus scn sun_type6 symbolic
  workman workman-intl
uz: latin
vn: aderty fr qderty us
za
`
    .trim()
    .replaceAll(/\n +/g, " ")
    .split("\n")
    .map((line) => {
      const [layout = "", variants = ""] = line.split(": ");
      return [layout, words(variants)] as const;
    }),
);

const layoutNames = [...layouts].flatMap(([layout, variants]) => [
  layout,
  ...variants.map((variant) => `${layout}-${variant}`),
]);

/** The names of keyboards that a release accepts. */
export function keyboardsOf(major: number): readonly string[] {
  return major >= 7 ? [...new Set([...keymaps, ...layoutNames])] : [...keymaps];
}

/** Whether a release accepts a keyboard. From EL7 on, X's notation is valid, too: `us (dvorak)`. */
export function isKeyboard(name: string, major: number): boolean {
  if (keymaps.has(name)) return true;
  const [, layout = name, variant] = /^([^\s(]+)\s*\(([^()]*)\)$/.exec(name) ?? [];
  return major >= 7 && allLayouts.has(variant === undefined ? layout : `${layout}-${variant}`);
}

const allLayouts: ReadonlySet<string> = new Set(layoutNames);

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
