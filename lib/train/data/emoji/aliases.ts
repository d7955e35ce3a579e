/**
 * Icon names that differ from Unicode's, for sets that do not state code points. Hyphens are ignored, so `cowface` matches
 * `cow-face` without an entry. Ambiguous names are omitted.
 */

/** Pairs of the form `Unicode name=icon name`, separated by white space. */
const emojione = `
  a-button-blood-type=a-button ab-button-blood-type=ab-button b-button-blood-type=b-button
  bullseye=direct-hit cat-with-tears-of-joy=cat-face-with-tears-of-joy
  cat-with-wry-smile=cat-face-with-wry-smile crying-cat=crying-cat-face enraged-face=pouting-face
  face-with-crossed-out-eyes=dizzy-face grinning-cat-with-smiling-eyes=grinning-cat-face-with-smiling-eyes
  grinning-cat=grinning-cat-face heart-exclamation=heavy-heart-exclamation keycap-hash=keycap-pound
  kissing-cat=kissing-cat-face men-holding-hands=two-men-holding-hands o-button-blood-type=o-button
  person-blond-hair=blond-haired-person person-in-suit-levitating=man-in-suit-levitating
  person-with-skullcap=man-with-chinese-cap person-with-veil=bride-with-veil pouting-cat=pouting-cat-face
  red-exclamation-mark=exclamation-mark red-question-mark=question-mark robot=robot-face
  smiling-cat-with-heart-eyes=smiling-cat-face-with-heart-eyes smiling-face-with-open-hands=hugging-face
  water-pistol=pistol weary-cat=weary-cat-face woman-and-man-holding-hands=man-and-woman-holding-hands
  women-holding-hands=two-women-holding-hands`;

const fxemoji = `
  a-button-blood-type=negativesquaredlatincaptiala ab-button-blood-type=negativesquaredab anger-symbol=anger
  angry-face=angry anguished-face=anguish antenna-bars=antennawithbars anxious-face-with-sweat=coldsweat
  astonished-face=astonished atm-sign=automatedtellermachine
  b-button-blood-type=negativesquaredlatincaptialb backhand-index-pointing-down=blackdownpointingbackhand
  backhand-index-pointing-left=blackleftpointingbackhand
  backhand-index-pointing-right=blackrightpointingbackhand
  backhand-index-pointing-up=blackuppointingbackhand backpack=schoolsatchel
  ballot-box-with-ballot=ballottboxwithballott beach-with-umbrella=beachumbrella
  bell-with-slash=bellcancellation black-circle=mediumblackcircle blue-circle=largebluecircle
  blue-heart=heartblue bookmark-tabs=bookmarktab bright-button=highbrightness
  bullet-train=highspeedtrainbulletnose bullseye=directhit camel=dromedarycamel castle=europeancastle
  chart-decreasing=chartdownwardstrend chart-increasing-with-yen=chartupwardstrendyen
  chart-increasing=chartupwardstrend check-box-with-check=ballotboxwithcheck check-mark=heavycheckmark
  clamp=compression clapping-hands=clap closed-mailbox-with-lowered-flag=closedmailboxlowered
  closed-mailbox-with-raised-flag=closedmailboxraised cloud-with-rain=raincloud club-suit=blackclubsuit
  computer-disk=minidisc computer-mouse=onebuttonmouse confetti-ball=confetti confounded-face=confounded
  confused-face=confused construction-worker=construct control-knobs=controlknob couple-with-heart=couple
  crayon=lowerleftcrayon cross-mark-button=negativesquaredcrossmark crying-face=crying
  curry-rice=curryandrice dagger=daggerknife dashing-away=dash diamond-suit=blackdiamondsuit
  diamond-with-a-dot=diamondshapewithdotinside dim-button=lowbrightness disappointed-face=disappointed
  divide=heavydivisionsign dollar-banknote=banknotedollar double-exclamation-mark=doubleexclaimationmark
  dove=doveofpeace ear-of-corn=earofmaize eggplant=aubergine eight-pointed-star=eightpointedblackstar
  eight-spoked-asterisk=eightspokedasterix end-arrow=endwithleftwardsarrow enraged-face=pout
  envelope-with-arrow=envelopedownarrowabove euro-banknote=banknoteeuro evergreen-tree=evergreen
  expressionless-face=expressionless face-screaming-in-fear=screamfear face-with-medical-mask=medicalmask
  face-with-open-mouth=openmouth face-without-mouth=nomouth fallen-leaf=fallingleaf
  fast-down-button=blackdownpointingdoublearrow fast-forward-button=blackrightpointingdoublearrow
  fast-reverse-button=blackleftpointingdoublearrow fast-up-button=blackuppointingdoublearrow
  fearful-face=fearful fish-cake-with-swirl=fishcakeswirl fishing-pole=fishingpoleandfish
  flexed-biceps=flexbicep floppy-disk=blackhardshellfloppy flushed-face=flushed folded-hands=pray
  fountain-pen=lowerleftfountainpen framed-picture=framewithpicture front-facing-baby-chick=frontfacingchick
  frowning-face=frown full-moon-face=fullmoonwithface gem-stone=gem globe-showing-americas=americasglobe
  globe-showing-asia-australia=asiaaustraliaglobe globe-showing-europe-africa=europeafricaglobe
  globe-with-meridians=meridianglobe green-heart=heartgreen grimacing-face=grimacing guard=guardsman
  hamster=hampster hand-with-fingers-splayed=raisedhandsfingerssplayed hear-no-evil-monkey=monkeyhear
  heart-suit=blackheartsuit heart-with-arrow=heartarrow heart-with-ribbon=heartribbon high-heeled-shoe=heels
  hot-pepper=chilipepper hourglass-done=hourglass hourglass-not-done=hourglassflowingsand
  house=housebuilding houses=housebuildings hundred-points=hundredpointssymbol hushed-face=hushed
  information=informationsource input-latin-letters=inputsymbolforlatinletters
  input-latin-lowercase=inputsymbolforlatinsmallletters
  input-latin-uppercase=inputsymbolforlatincapitalletters input-numbers=inputsymbolfornumbers
  input-symbols=inputsymbolforsymbols joker=playingcardblackjoker
  kissing-face-with-closed-eyes=kissclosedeyes kissing-face-with-smiling-eyes=kisseyes kissing-face=kissing
  kitchen-knife=hocho latin-cross=heavylatincross leaf-fluttering-in-wind=leaffluttering link=linksymbol
  litter-in-bin-sign=putlitterinitsplacesymbol locked-with-key=lockandkey locked-with-pen=lockwithinkpen
  locked=lock loudly-crying-face=loudlycrying magnifying-glass-tilted-left=leftmagnifyingglass
  magnifying-glass-tilted-right=rightmagnifyingglass mahjong-red-dragon=mahjong
  mantelpiece-clock=manltepiececlock minus=heavyminussign moai=moyai
  mobile-phone-with-arrow=phonerightarrowleft mobile-phone=cellphone multiply=heavymultiplicationsymbol
  musical-notes=multiplemusicalnotes neutral-face=neutral new-moon-face=newmoonwithface
  no-one-under-eighteen=nooneunder18symbol no-smoking=nosmokingsymbol
  non-potable-water=nonpotablewatersymbol notebook-with-decorative-cover=notebookdecorativecover
  o-button-blood-type=negativesquaredlatincaptialo om=omsymbol on-arrow=onarrowleftright
  oncoming-fist=fistedhand open-mailbox-with-lowered-flag=openmailboxlowered
  open-mailbox-with-raised-flag=openmailboxraised optical-disk=opticaldisc outbox-tray=outbox
  p-button=negativesquaredlatincapitalletterp paintbrush=lowerleftpaintbrush panda=pandaface
  pen=lowerleftpen pensive-face=pensive persevering-face=perservere person-biking=bicyclist
  person-bowing=bowing person-gesturing-no=nogesture person-gesturing-ok=okgesture
  person-getting-haircut=haircut person-getting-massage=headmassage person-golfing=golfer
  person-in-suit-levitating=maninbusinesssuitlevitating person-pouting=pouting person-rowing-boat=rowboat
  person-running=running person-taking-bath=bath pig-nose=pigsnout pile-of-poo=poo plus=heavyplussign
  police-car-light=policecarsrevolvinglight police-officer=cop pool-8-ball=billiards
  post-office=europeanpostoffice potable-water=potablewatersystem pound-banknote=banknotepound
  prohibited=noentrysign purple-heart=heartpurple racing-car=racecar
  recycling-symbol=blackuniversalrecyclingsymbol red-circle=largeredcircle red-paper-lantern=izakayalantern
  red-triangle-pointed-down=downpointingredtriangle relieved-face=relieved reminder-ribbon=reminder
  sad-but-relieved-face=dissapointedrelief sagittarius=saggitarius sake=sakebottleandcup
  santa-claus=fatherchristmas scissors=blackscissors scorpio=scorpius see-no-evil-monkey=monkeysee
  sheaf-of-rice=earofrice skull-and-crossbones=blackskullcrossbones smiling-face-with-heart-eyes=hearteyes
  spade-suit=blackspadesuit sparkler=fireworksparkler speak-no-evil-monkey=monkeyspeak
  speaker-high-volume=rightspeaker3soundwaves speaker-medium-volume=rightspeaker
  speech-balloon=rightspeechbubble t-shirt=mansshirt thought-balloon=rightthoughtbubble two-hearts=2hearts
  two-hump-camel=bactriancamel unlocked=openlock up-left-arrow=northwestarrow up-right-arrow=northeastarrow
  video-camera=handheldvideocamera video-game=gamedie water-pistol=pistol white-circle=mediumwhitecircle
  womans-sandal=sandals wrapped-gift=present writing-hand=leftwritinghand yellow-heart=heartyellow
  yen-banknote=banknoteyen`;

const tables: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  emojione: parsed(emojione),
  'emojione-v1': parsed(emojione),
  fxemoji: parsed(fxemoji),
};

/** Returns the icon names of a set that differ from Unicode's, by Unicode name. */
export function aliasesOf(set: string): Readonly<Record<string, string>> {
  return tables[set] ?? {};
}

function parsed(table: string): Record<string, string> {
  return Object.fromEntries(
    table
      .trim()
      .split(/\s+/)
      .map((pair) => pair.split('=')),
  );
}
