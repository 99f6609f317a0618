"""Cues that a text tells of somebody's wellbeing or health, so that a person must look before it is trained on.

Spanish, Catalan and English, with the most usual phrases of Galician and Basque. Only what somebody says of themselves
or of a certain person counts: "me corto los brazos", "mi madre tiene cáncer". A lesson on Durkheim, diabetes or the
Great Depression does not. It errs to the safe side: "me quiero morir de vergüenza" is shown to a person as well.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Literal

from ahocorasick_rs import BytesAhoCorasick, Implementation

from ftworker.curation.privacy import cues
from ftworker.curation.privacy.folding import BETWEEN_TEXTS, view
from ftworker.curation.privacy.lexicon import lexicon

Kind = Literal["wellbeing", "health"]

# What each pattern below holds one of, at the beginning of a word (a dot: as a whole word; `_`: a space); nearly every
# text is done after this. Chosen to be rare in lessons; a test makes texts from the patterns, and each has one.
_STEMS = (
    "abort abus abuse acabar_amb acabar_con acos adhd agred agresion alcoholic alergi alive. allerg alone. "
    "amenac amenaz anore ansie ansiol antidep anxi aprovech asco. asm asperger assetg assetj asth atacs. "
    "ataques. atracones autis autoles beat. beaten. beats. bebe. beste. bipol buit. bulimi bulli bully "
    "bullying cancer casi_no_comer ceguera. celia ciberb cieg coma. concerta. cortarme. cut. cutting. dano. "
    "de_comer de_toc de_vivir dead. depres deprim desapar desapare desapareix deseo_mat diabet die. difund "
    "disappear discalc discap disle dolencia. drog dyslex echad echar echaria. echo. el_vacio elvans em_fan "
    "embarass embaraz emborr empty. end_it end_my enfermedad_cronica enfermedad_rara epil escaparme. escape. "
    "escitalop esclero escolio esquizo estar_viv estuviera_muert fastic. feel. fer_me fibro fluoxet fotos. "
    "fugarme. fun. ganas_de ganes_de germ golpea gord gustaria_mat ha_bajado_la ha_venido_la hago_cortes "
    "haras harm hate. he_cortado hepat hice_cortes hil. hit. hits. hiv. humil hurt ictus. infarto. ingresad "
    "ingresarme ingresaron ingressa insul insulin intelectuales. intentado_matar intento_matar inutil. irme. "
    "kill laugh. leucem leuk lexat life. litio. live. lupus. m_estima malalt maltra mata. matarm matars mato. "
    "me_baja me_cort me_obliga me_obligan me_quiero_mat me_siento me_viene medicac medicad medicam medican "
    "medicat medicin medikin mejor_muert menjar. meten. metilf mi_muerte miedo. migran minusv mobbing. mori "
    "morir morr morre mort muerte_todo murio. nadie_me no_come. no_comer no_quiero odi. odio. oncolog "
    "operado. operan. operar operaron. operat. opere orfid paliza. palizas. panic paralisi pasan_con pasan_de "
    "pasan_siempre pasan_todos pastill pega pegab pegado. pegan. pegaron. pegat. pego. peguen. pena_vivir "
    "pensa. penso. pills. pinch porros. prefiero_mat pregnan prenad prozac psic psiq psychi psycho que_seguir "
    "que_vivir queria_mat quero_vivir quiere_matar quiero_mat quiero_seguir quiero_vivir quimio quitar quito. "
    "raped. risperd ritalin riuen. rodes. rubif ruedas. salud_mental scared. se_burla se_corta. se_mata "
    "se_meten_con se_queria se_quiere_ se_reian se_rie se_rien se_rio seguir_aqui seguir_viv self_harm sento. "
    "seria_muert sertral sick. sida. sin_comer sindrome. soled sord stopped. sufri. sufro. suicid tallo. "
    "tdah. tea. tengo_toc terap therap throw. tinc. toc. toca. tocaba. tocado. tocan. toco. touch trankim "
    "trastorn tratamiento. treure. tumor uci. un_toc una_enfermedad va_a_matar valgo. venas. ventol vergon "
    "vertigos. vih. viola. violaba. violan. violaron. violencia. violo. viure. voldria_mat vomit voy_a_mat "
    "vull_mat wheelchair. worthless. ya_no_quiero "
)


def _spaced(stem: str) -> Iterator[bytes]:
    """The stem as it stands in the words of a view, where one space or several part two words. Four stand for more:
    what follows them is not looked at.
    """
    word, several, rest = stem.partition("_")
    if not several:
        yield b" " + word.removesuffix(".").encode() + (b" " if word.endswith(".") else b"")
        return
    yield b" %b    " % word.encode()
    for following in _spaced(rest):
        for gap in (b"", b" ", b"  "):
            yield b" %b%b%b" % (word.encode(), gap, following)


_FORMS = sorted({form for stem in _STEMS.split() for form in _spaced(stem)})
# Looks for them in the words as they stand: to bring these to one space each takes twice as long.
_AUTOMATON = BytesAhoCorasick(_FORMS, implementation=Implementation.DFA)
_LONGEST_FORM = max(map(len, _FORMS))

_KIN = (
    rb"(?:padre|madre|papa|mama|hermano|hermana|herman[oa]s|abuelo|abuela|tio|tia|primo|prima|novio|novia|"
    rb"ex|pareja|padrastro|madrastra|hijo|hija|amigo|amiga|"
    rb"mejor amig[oa]|companer[oa]|companer[oa] de clase|vecin[oa]|profe|profesora?|alumn[oa]|sobrin[oa]|"
    rb"pare|mare|germa|germana|avi|avia|xicot|xicota|amic|company|companya|"
    rb"cosi|cosina|tieta|fill|filla|pai|nai|irman|irma|avoa?|dad|mum|mom|father|mother|brother|sister|"
    rb"friend|best friend|boyfriend|girlfriend|uncle|cousin|teacher|"
    rb"grandma|grandpa|stepdad|stepfather|padres|pares|parents|entrenador|entrenadora|cunad[oa]|marido|mujer)"
)
_MINE = rb"(?:mi|mis|nuestr[oa]|el meu|la meva|els meus|meu|meva|o meu|a mina|my|our|un|una|el|la) " + _KIN
_ABOUT = _MINE + rb"(?: \w+){0,4}?"
_CONDITION = (
    rb"(?:diabet\w*|epilep\w*|asma|asmatic[oa]|asthma|tdah|adhd|autis\w*|asperger|tea|disle[xc]\w*|"
    rb"dyslexi\w*|discalculia|cancer|leucemia|leukemia|un tumor|tumor\w*|vih|sida|hiv|"
    rb"celiac[oa]|celiaquia|anorexi\w*|bulimi\w*|depresion|depressio|depression|ansiedad|ansietat|anxiety|"
    rb"toc|bipolar\w*|esquizofren\w*|esquizofrenia|un trastorno|trastornos?|trastorn|"
    rb"sindrome|fibromialgia|escoliosis|hepatitis|lupus|esclerosis|discapacidad\w*|discapacitad[oa]|"
    rb"discapacitat\w*|una minusvalia|minusvalia|sord[oa]|sordera|cieg[oa]|ceguera|"
    rb"paralisis|migranas?|alergic[oa]|alergias?|allergic|ataques? de (?:ansiedad|panico)|"
    rb"atacs? de (?:ansietat|panic)|panic attacks?|crisis de (?:ansiedad|epilepsia)|vertigos|"
    rb"dolencia|enfermedad rara|enfermedad cronica|una enfermedad|una malaltia|"
    rb"altas capacidades intelectuales no)"
)
_NOT_SCHOOL = (
    rb"(?:(?!que |examen|test|tema |tareas? |trabajo|exam|about|homework|deberes|exposicion|control |preguntas? |"
    rb"dudas? |apuntes|un problema )\w+ ){0,3}?"
)
_DRUG = (
    rb"(?:pastillas?|medicacion|medicament\w*|medicinas?|medication|pills|antidepresiv\w*|antidepressi\w*|"
    rb"antidepressants?|ansiolitic\w*|insulina|insulin|concerta|ritalin\w*|rubifen|"
    rb"metilfenidato|lexatin|orfidal|trankimazin|prozac|sertralina|fluoxetina|escitalopram|ventolin|"
    rb"elvanse|medikinet|risperdal|litio para)"
)

_WELLBEING = re.compile(
    rb" (?:"
    # wanting to die, hurting oneself
    rb"(?:me quiero|quiero|queria|me queria|prefiero|me gustaria|ganas de|deseo) (?:morir|morirme|matarme|"
    rb"matar|suicidarme|suicidar|desaparecer)(?: de una vez)?(?! (?:de (?:risa|hambre|sueno|calor|frio)|"
    rb"el tiempo|dos pajaros))|"
    rb"(?:no quiero|ya no quiero|no tengo ganas de|sin ganas de|no merece la pena|para que) (?:vivir|"
    rb"seguir viviendo|seguir viva|seguir vivo|estar viv[oa]|seguir aqui)|"
    rb"(?:me voy a|voy a) (?:matarme|matar yo|suicidarme|suicidar|quitarme)|me voy a matar|(?:quitarme|"
    rb"quitarse|acabar con|acabar amb) (?:la vida|mi vida|la meva vida)|"
    rb"suicidarme|suicidar me|suicidarnos|me suicid\w+|(?:pienso|pensado|pensando|pense|"
    rb"penso) en (?:el suicidio|suicid\w+|matarme|morir\w*|mi muerte|la muerte todo)|(?:intente|"
    rb"he intentado|intentado) (?:matarme|suicid\w+|quitarme)|"
    rb"(?:mejor|estaria mejor|estuviera) muert[oa]|nadie me echaria de menos|me autolesion\w*|"
    rb"autolesionarme|autolesionar me|autolesiones en mis|"
    rb"me (?:corto|corte|cortaba|he cortado|hago cortes|hice cortes) (?:en )?(?:los |las |el |la |"
    rb"mis )?(?:brazos?|munecas?|piernas?|muslos?|venas|cuando estoy|para sentir|por dentro|con cuchillas?|"
    rb"con la cuchilla)|cortarme (?:las venas|los brazos|las munecas|las piernas|la piel)|"
    rb"(?:me hago|hacerme|me hice|me he hecho|hago) dano (?:a mi mism[oa]|cuando|aposta|a proposito|para)|"
    rb"(?:em vull|vull|voldria|ganes de) (?:morir|morir me|matar|matar me|suicidar me|desapareixer)|"
    rb"no vull viure|em tallo|m autolesiono|fer me mal|treure m la vida|suicidar me|"
    rb"i (?:want to|wanna|would like to|wish i could) (?:die|kill myself|disappear|be dead|end it)|"
    rb"kill(?:ing)? myself|end my life|hurt(?:ing)? myself|cut(?:ting)? myself|i (?:am|feel|m) suicidal|"
    rb"i self harm\w*|don t want to (?:live|be alive)|better off dead|"
    rb"quero morrer|matarme|non quero vivir|hil nahi dut|nire buruaz beste|"
    # violence, abuse, bullying
    rb"(?:me|nos) (?:pegan?|pego(?! a)|pegaba|pegaron|ha pegado|han pegado|golpea\w*|maltrata\w*|maltrato|"
    rb"acosan?|acosaba\w*|humillan?|humillaba\w*|insultan|insultaban|agredio|agreden|agredieron|viol(?:o|"
    rb"an|aron|aba)|amenazan?|amenazo|amenazaron|dan palizas?|dio una paliza|dieron una paliza)|"
    rb"(?:abusan?|abuso|abusaba|abusaron|han abusado|ha abusado|se aprovecha\w*|"
    rb"se aprovecho) (?:sexualmente )?de (?:mi|mi hermana|nosotras|ella)|me (?:tocan?|toco|tocaba|"
    rb"ha tocado) (?:sin|las|los|el|la|donde|ahi|por debajo|mis|cuando)|"
    rb"me obligan? a (?:tener|hacer|acostarme|mandar\w*|desnudarme|tocar\w*|ver porno|enviar)|(?:me piden?|"
    rb"me pidio|le mande|mande|mando|pide que le mande|difund\w+|compart\w+|subi\w+|"
    rb"ensen\w+) (?:\w+ ){0,2}fotos (?:desnud[oa]|sin ropa|intimas|mias desnud[oa]|mias|en ropa interior|"
    rb"mias sin)|mis fotos (?:desnud[oa]|intimas|sin ropa)|"
    rb"(?:me hacen|sufro|sufri|he sufrido|me estan haciendo|me hacian) (?:bullying|ciberbullying|acoso\w*|"
    rb"maltrato|abusos?|mobbing|el vacio|violencia)|(?:se rien|se burlan|se reian|se burlaban|se meten|"
    rb"se ri[oe]|pasan) (?:todos |siempre )?(?:de|con)(?!migo mism) ?(?:mi|nosotr[oa]s|migo)(?! (?:profe|"
    rb"abuela|perro))|se meten conmigo|"
    rb"(?:tengo|me da|tenia) (?:mucho )?miedo (?:de|a) (?:mi (?:padre|padrastro|novio|ex|madre|tio|pareja|"
    rb"hermano)|volver a casa|ir a casa|ir al (?:instituto|cole|colegio|insti)|estar en casa)|"
    rb"(?:em|ens) (?:pega|peguen|maltracta|maltracten|assetgen|humilien|insulten|amenacen)|m (?:insulten|"
    rb"assetgen|han pegat|han agredit|amenacen)|em fan (?:bullying|el buit)|es riuen de mi|"
    rb"pateixo (?:bullying|assetjament|maltractament\w*)|abusa de mi|tinc por (?:del meu pare|"
    rb"de tornar a casa)|"
    rb"(?:hits|beats|beat|hit|abuses|abused|bullies|bullied|bully|touched|touches|raped|harass(?:es|"
    rb"ed)?) me|(?:being|been|am|m|get|getting) (?:bullied|abused|harassed|beaten)|they laugh at me|"
    rb"make fun of me|scared of my (?:dad|father|stepdad|boyfriend|mum|mom)|"
    # eating, despair, leaving home
    rb"(?:me provoco|provocarme|provoco) (?:el vomito|vomitos?|vomitar)|vomito (?:despues de|lo que|"
    rb"todo lo que|cuando|cada vez)|(?:he dejado de|deje de|dejar de|llevo \w+ dias sin|"
    rb"casi no) comer(?: para| porque)?|me doy atracones|atracones|me veo (?:muy )?gord[oa]|(?:odio|"
    rb"odi) (?:mi|el meu) cos|odio mi cuerpo|me odio|i hate myself|em fa fastic el meu cos|em faig vomitar|"
    rb"he deixat de menjar|make myself (?:throw up|sick)|stopped eating|"
    rb"me doy asco|me siento (?:muy |tan |super |completamente |totalmente )?(?:sol[oa]|vaci[oa]|inutil|"
    rb"una mierda|hundid[oa]|deprimid[oa])|em sento (?:molt )?(?:sol|sola|buit|buida|inutil|deprimid[ao])|"
    rb"i feel (?:so |very )?(?:alone|empty|worthless|depressed)|nadie me quiere|ningu m estima|"
    rb"no valgo (?:nada|para nada|pa na)|(?:estoy|ando|he estado) (?:muy |super )?deprimid[oa]|"
    rb"estic deprimi\w+|i am depressed|i m depressed|"
    rb"(?:quiero|queria|voy a|pienso) (?:escaparme|irme|fugarme) de casa|me (?:han echado|echo|echaron|"
    rb"quieren echar) de casa|me escape de casa|me drogo|(?:fumo|fumamos) porros|me emborracho|"
    # of a certain person
    + _ABOUT
    + rb" (?:se autolesiona\w*|se corta(?! el)|se (?:quiere|queria|va a|ha intentado|intento) (?:matar|"
    rb"suicidar|morir)|quiere (?:matarse|suicidarse|morirse|morir)|(?:intento|ha intentado|penso en|"
    rb"piensa en) (?:matarse|suicid\w+|quitarse)|se (?:suicido|ha suicidado|mato|quito la vida)|"
    rb"(?:le|la|me|nos|les) (?:pega\w*|maltrata\w*|acosan?|hacen bullying|viol(?:o|an|aron)|amenaza\w*)|"
    rb"pega a (?:mi|su) \w+|maltrata a (?:mi|su)|abusa\w* de|no come nada|vomita (?:despues|lo que)|"
    rb"bebe (?:mucho|demasiado)|es alcoholic[oa]|se droga|es suicida|hits|beats|wants to (?:die|kill)|"
    rb"is being bullied)"
    rb")(?= |$)"
)  # fmt: skip
_HEALTH = re.compile(
    rb" (?:"
    rb"(?:tengo|padezco|sufro|sufro de|soy|tengo un|tengo una|me han diagnosticado|me diagnosticaron|"
    rb"me diagnostico|me han detectado|me detectaron|diagnosticad[oa] (?:de|con)|tinc|tinc un|tinc una|"
    rb"pateixo|soc|m han diagnosticat|em van diagnosticar|teno|padezo|i have|i have got|i ve got|i am|i m|"
    rb"i suffer from|i was diagnosed with|diagnosed with) "
    + _NOT_SCHOOL
    + _CONDITION
    + rb"(?! (?:de \w+ |down )?(?:en|in) (?:el |the )?(?:temario|tema|libro|examen|book))"
    + rb"|(?:llevo|llevamos|porto) (?:\w+ ){0,4}?(?:con|amb) (?:\w+ ){0,2}?"
    + _CONDITION
    + rb"|(?:tomo|me tomo|tomando|me recet\w+|me han recetado|me han mandado|me ha mandado|me pinch\w+|"
    rb"me dan|me medic\w+ con|prenc|em prenc|m han receptat|estic prenent|i take|i m on|i am on|"
    rb"taking) (?:\w+ ){0,3}?"
    + _DRUG
    + rb"(?! de (?:chocolate|jabon|caldo|freno))|estoy medicad[oa]|me estan medicando|"
    rb"(?:estoy|creo que estoy|puedo estar|estare|me he quedado|me quede|podria estar|estic|crec que estic|"
    rb"i am|i m|i think i m|i might be) (?:embarazada|prenada|embarassada|pregnant)|no me (?:baja|viene|"
    rb"ha venido|ha bajado) la regla|(?:quiero|voy a|he tenido que|tuve que|tengo que) abortar|he abortado|"
    rb"mi aborto|(?:tome|tomado|tomarme|necesito|comprar|he tomado) la pastilla del dia despues|"
    rb"me hice (?:un|el) test de embarazo|"
    rb"(?:me operan|me van a operar|me operaron|me han operado|tengo que operarme|estoy ingresad[oa]|"
    rb"me ingresaron|me han ingresado|van a ingresarme|estuve ingresad[oa]|m operen|m han operat|"
    rb"estic ingressa\w+)|"
    rb"(?:voy|fui|vengo|me lleva\w*|me llevan|me ve|ir|vaig|i go) (?:al|a la|a un|a una|to a|to the|to my|"
    rb"al meu|a mi) (?:psicolog[oa]|psiquiatra|terapeuta|terapia|psicoleg|psicologa|therapist|psychologist|"
    rb"psychiatrist|salud mental)|(?:mi|my|el meu|la meva) (?:psicolog[oa]|psiquiatra|terapeuta|therapist|"
    rb"psychiatrist|psicoleg|psicologa)|estoy en tratamiento|la quimio|"
    rb"(?:tengo|tinc) (?:un |una )?(?:\d+ (?:por ciento )?(?:de )?)?(?:grado de )?discapaci\w+|"
    rb"voy en silla de ruedas|vaig en cadira de rodes|in a wheelchair|"
    + _ABOUT
    + rb" (?:tiene|padece|sufre|es|esta|te|pateix|ha|has|is|tenia|murio de|ha muerto de|fallecio de|"
    rb"ha tenido|ha sufrido|sufrio|toma|esta tomando|esta ingresad[oa]|esta en la uci|esta embarazada|"
    rb"esta embarassada|is pregnant)(?: \w+){0,3}? (?:"
    + _CONDITION
    + rb"|"
    + _DRUG
    + rb"|embarazada|embarassada|pregnant|ingresad[oa]|un ictus|un infarto|la uci|silla de ruedas|oncologia)"
    rb"|"
    + _MINE
    + rb" (?:\w+ ){0,3}?(?:esta|quedo) (?:embarazada|ingresad[oa]|embarassada|en coma|en la uci)"
    rb")(?= |$)"
)  # fmt: skip
_OF_SOMEBODY = re.compile(
    rb" (\w+) (?:\w+ )?(?:(?:tiene|padece|sufre|es|te|has) (?:\w+ ){0,2}?("
    + _CONDITION
    + rb")|esta embarazada|se autolesiona\w*|se corta|se quiere (?:matar|suicidar|morir)|"
    rb"quiere (?:suicidarse|matarse)|se intento suicidar|intento suicidarse)(?= |$)"
)


MOST_WORDS = 25
"""Words that a pattern above takes in at most, with those that it looks at behind itself: a test counts them. So many
around the stems are looked at, for most answers are longer."""


def sensitive(text: str) -> Kind | None:
    """`wellbeing` or `health` when somebody speaks of their own or of a certain person's; None for a lesson."""
    return _kind(view(text).words)


def sensitive_kinds(texts: Sequence[str]) -> set[Kind]:
    """What `sensitive` says of one or another of the texts, which are joined as the scanner joins them.

    All are looked through at once, and only those that hold a cue are looked at: one conversation in five has one.
    """
    seen = view(BETWEEN_TEXTS.join(texts))
    if seen.offsets is not None:
        return {kind for text in texts if (kind := sensitive(text)) is not None}
    matches = _AUTOMATON.find_matches_as_indexes(seen.words)
    if not matches:
        return set()
    begins = [0, *accumulate(len(text) + len(BETWEEN_TEXTS) for text in texts)]
    found = set()
    for _, start, end in matches:
        number = bisect_right(begins, start) - 1
        # "... una." at the end of a text is no stem, for nothing follows: two in three of all matches.
        if end <= begins[number] + len(texts[number]) + 2:
            found.add(number)
        # What goes on into the next text may hide a stem at its beginning.
        following = bisect_right(begins, end - 1) - 1
        if following > number and _AUTOMATON.find_matches_as_indexes(
            seen.words[begins[following] : end + _LONGEST_FORM]
        ):
            found.add(following)
    said = (seen.words[begins[number] : begins[number] + len(texts[number]) + 2] for number in found)
    return {kind for words in said if (kind := _kind(words)) is not None}


def _with_words_around(said: bytes, start: int, end: int) -> bytes:
    before = said[:start].rsplit(b" ", MOST_WORDS)
    after = said[end:].split(b" ", MOST_WORDS)
    begin = len(before[0]) if len(before) > MOST_WORDS else 0
    return said[begin : -len(after[-1]) - 1] if len(after) > MOST_WORDS else said[begin:]


def _kind(words: bytes) -> Kind | None:
    # With one space before, between and after the words.
    said = b" %b " % b" ".join(words.split())
    stems = _AUTOMATON.find_matches_as_indexes(said)
    if not stems:
        return None
    near = _with_words_around(said, stems[0][1], stems[-1][2])
    if _WELLBEING.search(near):
        return "wellbeing"
    if _HEALTH.search(near):
        return "health"
    given = lexicon().given
    # The pattern takes 26 microseconds, and is of use beside a name alone.
    for found in () if given.isdisjoint(near.split()) else _OF_SOMEBODY.finditer(near):
        # "Juan tiene diabetes. ¿Qué hormona le falta?" is an exercise unless somebody speaks of a person here.
        if found[1] in given and cues.SPEAKER.search(said):
            return "health" if found[2] or b"embarazada" in found[0] else "wellbeing"
    return None
