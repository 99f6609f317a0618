"""Phrases that say that a name follows, and words around a name that say whose it is: a person's here, or a lesson's.

All folded: no accents, lower case. Spanish first, then Catalan, Galician, Basque and English. Data for `names`.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from ftworker.curation.privacy.lexicon import not_names


class Cue(Enum):
    """What a phrase says of the words after it."""

    SELF = auto()
    """"me llamo": the next word is a name, whatever it is."""
    CALLED = auto()
    """"se llama": the same where a person was spoken of just before."""
    WEAK = auto()
    """"soy": a name when it is written as one."""
    ROLE = auto()
    """"profesora": a name when it is written as one, or known; a subject may stand between."""
    TITLE = auto()
    """"doña": a name when it is written as one."""
    GREETING = auto()
    """"hola": a name when a comma, a stop or nothing follows it."""
    SIGNATURE = auto()
    """"atentamente": a name on the same line or the next."""
    FORM = auto()
    """"apellidos:": a name that is known, after a colon."""
    AFTER = auto()
    """"naiz": the word before it is a name, when it is written as one (Basque)."""
    DOUBTFUL = auto()
    """No phrase: a word of a list, of which `learned_names` says whether it is somebody's."""


def _phrases(cue: Cue, text: str) -> dict[str, Cue]:
    return {phrase.strip(): cue for phrase in text.replace("\n", "|").split("|") if phrase.strip()}


CUES: dict[str, Cue] = {
    **_phrases(
        Cue.SELF,
        """m llamo|me yamo
        me llamo|yo me llamo|mi nombre es|mi nombre completo es|me llaman|me dicen|mis amigos me llaman
        nombre y apellidos|nombre completo|nombre del alumno|nombre de la alumna|nombre alumno
        nombre alumna|alumno a|de parte de|em dic|em diuen|el meu nom es|nom i cognoms|chamome
        o meu nome e|nire izena|my name is|my name s|my full name is|they call me|i am called|habla con
        pregunta por|preguntad por|hablar con la madre de|hablar con el padre de""",
    ),
    **_phrases(Cue.CALLED, """se llama|se llamaba|es llama|es diu|es deia|chamase|is called|is named
        name is|su nombre es|apellida"""),
    **_phrases(
        Cue.WEAK, "soy|yo soy|soi|yo soi|soc|jo soc|eu son|i am|i m|te habla|os habla|le habla|le escribe|te escribe"
    ),
    **_phrases(
        Cue.ROLE,
        """inspector|inspectora|conserje|secretario|secretaria|bibliotecaria|cocinera
        profe|profesor|profesora|maestro|maestra|tutor|tutora|sena|seno|senorita|director|directora
        jefe de estudios|jefa de estudios|orientador|orientadora|entrenador|entrenadora|monitor|monitora
        medico|medica|pediatra|psicologo|psicologa|logopeda|dentista|amigo|amiga|mejor amigo|mejor amiga
        companero|companera|compi|colega|novio|novia|ex|exnovio|exnovia|crush|vecino|vecina|hermano
        hermana|hermanito|hermanita|primo|prima|tio|tia|abuelo|abuela|padre|madre|papa|mama|padrastro
        madrastra|hijo|hija|marido|mujer|sobrino|sobrina|nieto|nieta|cunado|cunada|suegra|suegro|padrino
        madrina|alumno|alumna|delegado|delegada|chico llamado|chica llamada|nino llamado|nina llamada
        jefe|jefa|pareja|canguro|estudiante|chaval|un tal|una tal|mestre|mestra|professor|professora
        amic|amiga|company|companya|germa|germana|cosi|cosina|oncle|tieta|tiet|avi|avia|pare|mare|xicot
        xicota|fill|filla|alumne|alumna|veina|profesorra|irakaslea|irakasle|lagun|laguna|anaia|arreba
        ahizpa|amona|aitona|ama|aita|andereno|mestra|irman|irma|curman|curma|avo|avoa|pai|nai|teacher
        friend|best friend|brother|sister|cousin|uncle|aunt|mom|mum|dad|mother|father|classmate
        boyfriend|girlfriend|grandma|grandpa|coach""",
    ),
    **_phrases(Cue.TITLE, """a nombre de|don|dona|dna|d|sr|sra|srta|senor|senora|mr|mrs|ms|miss|dr
        dra|prof|profa|tito|tita
        doctor
        doctora"""),
    **_phrases(
        Cue.GREETING,
        """hola|hola de nuevo|buenos dias|buenas tardes|buenas noches|buenas|muy buenas|hey|ei|ey
        bienvenido|bienvenida|querido|querida|estimado|estimada|gracias|muchas gracias|mil gracias|adios
        hasta luego|hasta manana|de nada|perfecto|muy bien|bien hecho|genial|excelente|enhorabuena
        felicidades|animo|lo siento|perdona|disculpa|oye|mira|buena pregunta|claro|claro que si
        encantado|encantada|por supuesto|tranquilo|tranquila|vamos|venga|vale|que tal|exacto|correcto
        fenomenal|estupendo|bon dia|bona tarda|benvingut|benvinguda|gracies|moltes gracies|merci|adeu
        benvolgut|benvolguda|molt be|ola|bos dias|boas|grazas|moitas grazas|querido alumno|moi ben|kaixo
        egun on|arratsalde on|eskerrik asko|agur|aupa|oso ondo|hi|hello|hello again|dear|thanks
        thank you|bye|good morning|well done|great job|good job
        buen trabajo|gran trabajo|buen intento|buen esfuerzo|bon treball|bo traballo|eso es|asi es|bravo|sigue asi
        welcome|great|sure|of course""",
    ),
    **_phrases(
        Cue.SIGNATURE,
        """firmado|firmado por|firma|fdo|atentamente|un saludo|saludos|saludos cordiales|un cordial saludo
        cordialmente|un abrazo|abrazos|besos|un beso|besitos|con carino|muchas gracias de antemano
        signat|atentament|una salutacio|salutacions|una abracada|petons|asinado|unha aperta|un saudo
        sinatua|agur bero bat|ondo izan|sincerely|yours sincerely|best regards|kind regards|regards|best
        yours|love|cheers|att|atte""",
    ),
    **_phrases(
        Cue.FORM,
        "solicitante|titular|interesado|interesada|destinatario|destinataria|remitente|firmante|"
        "nombre|apellidos|primer apellido|apellidos y nombre|apellidos nombre|nom|cognoms|nome|apelidos"
    ),
    **_phrases(Cue.AFTER, """naiz|dut izena|du izena|deitzen naiz|da nire lagun|nire irakaslea da
        y yo hemos|y yo no|y yo vamos|y yo estamos"""),
}  # fmt: skip

DETERMINERS = frozenset(
    b"mi tu su el la un una nuestro nuestra vuestro vuestra nuestras mis sus del al meu meva mon ma seu "
    b"seva teu l els "
    b"my your his her our the o a meu mina nosa nire gure bere con de otro otra mejor antiguo antigua amb "
    b"os as nova nuevo nueva le".split()
)
"""What stands before a role: "mi profe". "director" alone is a word."""

OF_THE_SPEAKER = frozenset(
    b"mi mis nuestro nuestra meu meva mon ma teu tu my your our nosa nire gure".split()
)
"""Determiners that make a role somebody's here, and not a character's."""

KIN = frozenset(
    b"hermano hermana hermanito hermanita primo prima tio tia abuelo abuela padre madre papa mama padrastro "
    b"madrastra "
    b"hijo hija sobrino sobrina nieto nieta suegra suegro padrino madrina oncle tieta avi avia pare mare "
    b"germa germana "
    b"fill filla amigo amiga vecino vecina nino nina father mother brother sister aunt uncle grandma grandpa".split()
)

PERSON_BEFORE = re.compile(
    rb"\b(?:profe\w*|maestr[oa]|tutora?|amig[oa]|companer[oa]|herman[oa]|hermanit[oa]|prim[oa]|ti[oa]|"
    rb"abuel[oa]|padre|madre|papa|mama|novi[oa]|"
    rb"director[a]?|vecin[oa]|hij[oa]|nin[oa]|chic[oa]|chaval[a]?|alumn[oae]|germana?|amic|amiga|mestr[ea]|"
    rb"pare|mare|company[a]?|fill[a]?|teacher|friend|brother|"
    rb"sister|mom|mum|dad|cousin|crush|ex|medic[oa]|psicolog[oa]|entrenador[a]?|delegad[oa]|irman|pai|nai|"
    rb"persona|mujer|marido|senor[a]?|conductora?|chofer|conserje|cociner[oa]|limpiadora?|secretari[oa]|"
    rb"enfermer[oa]|bebe|"
    rb"colega|compi|pareja|nuera|yerno|cunad[oa]|suegr[oa]|padrastro|madrastra|abogad[oa]|medica|canguro|"
    rb"bibliotecari[oa]|"
    rb"monitor[a]?|orientador[a]?|pediatra|logopeda|fisio|vei|veina|avi|avia|abusador|jefe|"
    rb"jefa)\b[^.!?\n]{0,35}$"
)
"""A person was spoken of just before "se llama"."""

AFTER_ROLE = re.compile(
    rb"(?:\s(?:de|del|d'|of|en)\s?(?:la |el |l'|las |los |mi |tu |su )?[a-z\xba\xaa0-9]+(?:\s(?:y|i|"
    rb"e)\s[a-z]+)?(?: \d\w?)?)?"
    rb"(?:,? (?:que )?(?:se llama|se llamaba|es diu|chamase|es|era|is called|is named|is|called|named|"
    rb"llamad[oa])(?: (?:el|la|en|na|don|dona|d\.|sr\.?|sra\.?|senor|senora))?|,| ,|:| \()? ?"
)
AFTER_ROLE_OF = re.compile(rb"\s(?:de |del |d'|of )(?:la |el |l'|en |na )?")

SAINT_OR_RANK = re.compile(
    rb"\b(?:san|santa|santo|sant|sta\.?|sto\.?|sor|fray|frai|beat[oa]|virgen(?: de| del)?|verge(?: de)?|"
    rb"papa|rey|reina|reyes|rei|princip\w+|princep|princesa|infant[ae]?|"
    rb"emperador\w*|emperatriz|zar\w*|califa|emir|conde|condesa|comte|duque\w*|marques\w*|archiduque|"
    rb"sultan|faraon|apostol\w*|profeta|dios|diosa|sir|lord|king|queen|"
    rb"pope|saint|general|coronel|mariscal|dictador|presidente|caudillo|almirante|cardenal|obispo|"
    rb"arzobispo|monarca|patriarca|mahatma|regente|"
    rb"don quijote|evangelio (?:de|segun)|arcangel|santos|santas|beato) (?:de |don )?$"
)
PLACE_BEFORE = re.compile(
    rb"\b(?:(?:calle|plaza|avenida|paseo|carrer|placa|edificio|aulario|auditorio|salon|colegio|cole|"
    rb"instituto|ies|ceip|cep|cra|institut|escola|"
    rb"hospital|"
    rb"rio|riu|sierra|isla|islas|illa|parque|teatro|museo|museu|universidad|universitat|estadio|estadi|"
    rb"barrio|"
    rb"puerto|"
    rb"cabo|iglesia|catedral|ermita|monasterio|convento|premio|premios|fundacion|editorial|castillo|palacio|"
    rb"lago|golfo|"
    rb"cordillera|huracan|borrasca|tormenta|batalla|ley|plan|metro|estacion|aeropuerto|biblioteca|"
    rb"residencia|copa|"
    rb"trofeo|volcan|pantano)(?: de| del| de la| la| d'| de l'| de san| de santa| rector| rectora| doctor|"
    rb" pintor| poeta| maestro| alcalde| profesor)?|"
    rb"(?:ciudad|puerta|provincia|municipio|centro|centre|club|noche|fiesta|fiestas|dia|hogueras|camino|cruz|"
    rb"guerra|"
    rb"tratado|paz|estrecho|coro|orquesta|clinica|isla|valle|reino|corona|casa|cueva|fuente|monte|pico)"
    rb"(?: de| del| de la| d'| de l'| de san| de santa)) $"
)
EPONYM_BEFORE = re.compile(
    rb"\b(?:teorema|ley|leyes|llei|principio|regla|ecuacion\w*|constante|metodo|formula|escala|numero|"
    rb"triangulo|teoria|efecto|modelo|experimento|diagrama|obra|obras|"
    rb"novela|poema\w*|libro|cuadro|drama|tragedia|comedia|poesia|versos?|cuento|fabula|leyenda|mito|"
    rb"personaje\w*|protagonista|autor\w*|escritor\w*|poeta|poetisa|"
    rb"pintor\w*|filosof[oa]s?|cientific[oa]s?|matematic[oa]s?|fisic[oa]s?|quimic[oa]s?|compositor\w*|"
    rb"politic[oa]s?|historiador\w*|biolog[oa]s?|arquitect[oa]s?|"
    rb"escultor\w*|dramaturg[oa]s?|novelista|ensayista|cronista|conquistador\w*|navegante|explorador\w*|"
    rb"astronom[oa]s?|inventor\w*|economista|sociolog[oa]s?|reinado|"
    rb"dinastia|hijo|hija|esposa|actor|actriz|cantante|cineasta|futbolista|tenista|pelicula|serie|figura|"
    rb"generacion|humanista|teologo|bioquimic[oa]|medico y|premio nobel)"
    rb"(?:,| de| del| de la| como| de don| espanol\w*| frances\w*| ingles\w*| aleman\w*| italian\w*|"
    rb" grieg\w*)? $"
)
NUMERAL_AFTER = re.compile(r"\s(?:[IVX]{1,5}(?!\w)|(?:el|la) [A-ZÁÉÍÓÚÑ])")
FIGURE_AFTER = re.compile(
    rb"\s?(?:\((?:\d{3,4}|siglo|s\.|c\.|n\. |ca\.|hacia|nacid)|,? (?:escribio (?:la|el|su|en 1|\"|\xab|"
    rb"novelas|poemas)|descubrio|compuso|formulo|reino|goberno|conquisto|"
    rb"murio en (?:el|1)|nacio en (?:el ano )?1[0-8]|fue un[a]? (?:\w+ ){0,3}(?:escritor\w*|poet\w*|"
    rb"pintor\w*|filosof\w*|cientific\w*|matematic\w*|fisic\w*|quimic\w*|politic\w*|"
    rb"rey|reina|dramaturg\w*|novelista|compositor\w*|militar|conquistador|astronom\w*|medic\w*|medico|"
    rb"arquitect\w*|escultor\w*|navegante|explorador\w*|pensador\w*|historiador\w*|"
    rb"biolog\w*|economista|activista|ingenier\w*|inventor\w*|sociolog\w*|humanista|religios\w*|teolog\w*)|"
    rb"en su obra|en el siglo|enuncio|postulo|vencio|derroto|abdico|gano el (?:premio )?nobel|"
    rb"(?:autor|autora|poeta|escritor\w*|premio nobel|filosof[oa]|pintor[a]?|rey|reina|dramaturg[oa]|"
    rb"novelista|matematic[oa]|fisic[oa]|compositor[a]?) (?:de|del|espanol\w*|nacid[oa]|frances\w*|"
    rb"ingles\w*|aleman\w*|que)\b))"
)

SPEAKER = re.compile(
    rb"\b(?:me|mi|mis|yo|conmigo|nos|nosotr[oa]s|nuestr[oa]s?|em|meu|meva|jo|my|nire|gure|ayer|anoche|"
    rb"insta\w*|whats\w*|profe|seno|voy|vamos|fui|fuimos|quede|quedado|quedamos|soy|estoy|"
    rb"estaba con|tengo|tenemos|he|hemos|"
    rb"hable|hablo|dije|puedo|quiero|creo|odio|soporto|vi a|peg[uo]e?|peleado|gusta|grupo|tutoria|recreo|"
    rb"patio|expon\w+|hoy|apuntes|deberes)\b"
)
"""Somebody speaks of here and now, not of a lesson."""
OFFICE = re.compile(
    rb"\b(?:nota de|notas de|boletin\w*|expediente|tutora?|matricula|secretaria|nia|dni|nuss|tarjeta de|"
    rb"autorizacion|"
    rb"justificante|excursion|comedor|cantina|reunion|recuperacion|parcial|el examen de|faltas? de|datafono|"
    rb"taquilla|"
    rb"entrega de|trabajo de|mochila|flauta|ausencia|orientadora?|conserje|despacho|tutorias?|alergi\w+|"
    rb"ruta)\b"
)
"""What is done at a school's office, and in no exercise."""
PRESENT = re.compile(
    rb"\b(?:te|tu|tus|ti|contigo|has|ves|llamas|usted|preocup\w+|diu|dit|conte|pregunt\w+ a|le escribe|"
    rb"copia\w*|"
    rb"repetid[oa]|"
    rb"venir|faltan?|acta|cc|firma\w*|portada|maestra?|irakasle\w*|propongo|solicito|veo|dejo|"
    rb"dijo que (?:caia|no|"
    rb"hay)|"
    rb"entreg\w+|puede(?:s|n)? (?:venir|ir)|se llama|sentar\w*|estuche|cafeteria|"
    rb"ha (?:venido|dicho|hecho|repetido|olvidado|perdido|llegado)|molesta|distrae|han fet|fet res|"
    rb"(?:examen|apuntes|clase|tutoria|nota|notas|deberes) (?:de|con) [a-z]+ \(|castigad[oa]s?|"
    rb"expulsad[oa]s?|suspend\w+|suspens[oa]s?|recuper[aeo]\w*|evaluacion|pendientes?|"
    rb"optativas?|"
    rb"adaptacion|"
    rb"refuerzo|la familia de|pide cita|cita con|beca|turno de|(?:otro|del|este) centro|gafas|lleg[oa] tarde|"
    rb"copio|debo|le duele|"
    rb"fiebre|esta enferm[oa]|se sienta|jefatura|apuntes|repit\w+|repetir curso|concurso|felicit\w+|"
    rb"cambi(?:a|ar|"
    rb"o) de (?!tema)|"
    rb"entrena\w*|libreta|cuaderno|tablet|portatil|pelead[oa]|pelea con|insult\w+|amenaz\w+|no trae|trajo|"
    rb"vendra|"
    rb"viene a|"
    rb"decidle|decirle|dile|avis[ae]\w*|recog\w+|apunta[rd]?\w*|inscrib\w+|hoy|manana|el (?:lunes|martes|"
    rb"miercoles|jueves|"
    rb"viernes|sabado|domingo)|esta tarde|castigo|partes? de (?:disciplina|incidencias)|permiso|autoriz\w+|"
    rb"extraescolar\w*)\b"
)
"""What is said of and to people of here and now, beside `SPEAKER`, `PRIVATE` and `OFFICE`."""
QUANTITY = re.compile(
    rb"\d|\b(?:dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|doce|quince|veinte|doble|triple|mitad|"
    rb"tercio|tercera parte|cuarta parte|dues|quatre|cinc|two|three|four|five|ten)\b"
)
EXERCISE = re.compile(
    rb"\b(?:tiene|tienen|tenia|compra\w*|compro|compraron|reparte\w*|repartir|gasta\w*|gasto|recorre\w*|"
    rb"mide\w*|pesa\w*|cuesta\w*|ahorra\w*|lanza\w*|camina\w*|corre\w*|vende\w*|"
    rb"tarda\w*|sale\w*|lee|leyo|come|comio|bebe|regala\w*|cobra\w*|paga\w*|invierte\w*|deposita\w*|pinta|"
    rb"construye|colecciona|eligen?|escoge\w*|al azar|cuant[oa]s?|calcula\w*|halla\w*|probabilidad|"
    rb"que edad|edades|"
    rb"te|tenen|compren|quants|quantes|has|have|buys|bought|how many|how much|empuja|arrastra|sube|baja|"
    rb"viaja|conduce|velocidad|salta|suma\w*|diferencia|problema|ejercicio|exercici|apples|manzanas|"
    rb"caramelos|"
    rb"euros|"
    rb"canicas)\b"
)
LESSON = re.compile(
    rb"\b(?:personajes?|protagonistas?|novela|capitulo|acto|escena|cuento|drama|tragedia|poema|oracion\w*|"
    rb"frases?|sintagma|sujeto|predicado|complemento\w*|analiza\w*|sintactic\w*|"
    rb"traduce|traducir|traduccion|translate|sentence\w*|por ejemplo|ejemplo|ejemplos|enunciado|dialogo|"
    rb"verbo|verbos|narrador\w*|reinado|siglo|monarquia|dinastia|corona|imperio|biblia|evangelio|"
    rb"lectura|batalla|guerra|troya|tradicion|mitologia|mito|leyenda|heroe|estilo indirecto|pasiva|"
    rb"voz activa|sustantivo\w*|nombre propio|nombres propios|determinante|preposicion|atributo|adjetivo|"
    rb"adverbio|pronombre|conjuncion|morfema|metafora|estrofa|oracio|subjecte|"
    rb"frase|exemple|grammar|present simple|past simple|"
    rb"fill in|complete the|modernismo|romanticismo|barroco|renacimiento|"
    rb"realismo|naturalismo|surrealismo|"
    rb"modernistas?|promulg\w+|homo sapiens|cuadros?|paises|el texto|la obra|la pelicula|"
    rb"trono|reino|escudero|hidalgo|clerigo|picaro)\b"
)

SUBJECT = re.compile(
    # What only lessons speak of, and years and centuries that nobody alive was a pupil in.
    rb"\b(?:novel(?:a|as|ista|istas)|poem(?:a|as|ario)|poet(?:a|as|isa|isas)|sonetos?|versos|dramaturg\w+|"
    rb"ensayista|"
    rb"filosof\w+|cientific[oa]s?|pintor(?:a|es|as)?|escult(?:or|ora|ura)|arquitect\w+|compositor(?:a|es|"
    rb"as)?|"
    rb"sinfonia|"
    rb"astronom[oa]|matematico|fisico|quimico|biolog[oa]|naturalista|inventor[a]?|explorador\w*|navegante|"
    rb"cronista|"
    rb"conquist\w+|libertador\w*|independencia|revolucion\w*|virre(?:y|yes|inato|inal)|imperio|rein(?:ado|"
    rb"ados|ante)|"
    rb"dinastia|monarca|monarquia|republica|republican[oa]s?|dictadura|dictador|batalla|golpe de estado|"
    rb"sufragi\w+|"
    rb"voto femenino|feminis\w+|abolicion\w*|colonial\w*|mitolog\w+|mito|diosa|dioses|ninfa|titan|apostol\w*|"
    rb"evangeli\w+|biblia|biblic\w+|martir\w*|teorema|teoria|premio (?:nobel|cervantes|planeta|nadal|goya|"
    rb"princesa)|nobel|"
    rb"generacion del|romantic[oa]s?|barroc[oa]s?|renacentistas?|vanguardi\w+|modernis\w+|realis[mt]\w*|"
    rb"naturalismo|"
    rb"ilustracion|impresionis\w+|cubis\w+|surrealis\w+|protagonistas?|personajes?|narrador\w*|capitulos?|"
    rb"escenas?|"
    rb"obra (?:maestra|teatral|literaria|cumbre)|lienzo|oleo sobre|pelicula|cineasta|directora? de cine|"
    rb"olimp\w+|"
    rb"seleccion espanola|balon de oro|tenista|futbolista|atleta|cantautor\w*|actriz|zarzuela|opera|"
    rb"guerra (?:civil|"
    rb"mundial|fria|de)|(?:primera|segunda|i|ii) guerra|(?:el|al|del) rey|(?:la|a la) reina|literatur\w+|"
    rb"literari[oa]s?|"
    rb"ciencia ficcion|prosa|lirica|tratado de|edad media|siglos? [ivx]+)\b|"
    rb"\b[ad]\. ?c\.|"
    rb"(?:\b(?:en|de|del|desde|hasta|hacia|ano|entre|y|a)|(?<!\d)[(,\-]) ?(?:1[0-8]\d\d|19[0-4]\d)(?![\d/%]|"
    rb"[.,\-]\d|"
    rb" ?(?:m|km|g|kg|ml|l|cm|metros|euros|personas|gramos|litros|piezas|habitantes|kilometros|kilos)\b)"
)
LEARNT = re.compile(
    # What is told of figures, and of others as well.
    rb"\b(?:escribi(?:o|eron)|publico|compuso|pinto|descubri(?:o|eron|miento)|invent(?:o|aron)|formulo|"
    rb"demostro|propuso|"
    rb"desarrollo|fundo|fundador\w*|lidero|encabezo|goberno|reino|lucho|defendio|derroto|vencio|murio|"
    rb"fallecio|"
    rb"nacio en|tradujo|fue l[ao]s? primer[oa]s?|fue el primer|fue (?:elegid|nombrad|asesinad|fusilad|"
    rb"ejecutad|coronad|proclamad|desterrad|encarcelad)[oa]|"
    rb"promulgo|navego|exploro|narra|relata|simboliza|encarna|interpreta|dirigio|estreno|gano|recibio|obras?|"
    rb"libros?|autor(?:a|es|as)?|escritor(?:a|es|as)?|biografia|quien (?:fue|era|es)|vida de|muerte de|segun|"
    rb"pensamiento|"
    rb"cuadros?|disco|cantante|actor|presidente|presidenta|reyes?|reina|infanta|lider|cultura|historia de|"
    rb"famos[oa]s?)\b"
)
WORK_OF = re.compile(rb"[\"\xbb],? de $")
WORK = re.compile(rb"[ (](?:\"[^\"\n]{3,60}\"|\xab[^\xbb\n]{3,60}\xbb)(?=[ ).,;?]|$)")
"""A title, where somebody wrote or made it."""
PRIVATE = re.compile(
    # Somebody's own life or class. What is said of one's tasks is of a lesson all the same: "mi trabajo sobre ...".
    rb"\b(?:(?:lo|la) (?:hago|hacemos|haremos|hice) con|mi|mis|nuestr[oa]s?)\b(?! (?:examen|trabajo|libro|"
    rb"resumen|exposicion|redaccion|comentario|"
    rb"presentacion|"
    rb"lectura|tarea|proyecto|libro de texto))|"
    rb"\b(?:(?<!y )yo|conmigo|nosotr[oa]s|ayer|anoche|manana por|fui|fuimos|vamos|quede|quedamos|amig[oa]s?|"
    rb"companer[oa]s?|"
    rb"vecin[oa]s?|alumn[oa]s?|alumnado|clase|curso|tutor[a]?|tutoria|profe|profes|profesora?|seno|recreo|"
    rb"patio|colegio|"
    rb"cole|insti|instituto|aula|ampa|delegad[oa]s?|cumple\w*|insta\w*|whats\w*|correo|telefono|movil|vive|"
    rb"vivo|"
    rb"expediente|matricula|notas?|suspens\w+|aprob\w+|boletin|excursion|equipo de|eso|bachillerato|primaria|"
    rb"ies|ceip|"
    rb"meu|meva|nostr[ae]|classe|companya?|my|our|nire|gure|deberes|apuntes|boli|no me|"
    rb"me (?:ha|deja|dio|robo|quito|debe|cae|pego|insulto|dijo|dice))\b|\d ?(?:\xba|\xaa|\xb0)"
)
CITED_BOOK = re.compile(
    rb"(?:mateo|marcos|lucas|juan|pedro|pablo|santiago|judas|isaias|daniel|jeremias|ezequiel|samuel|josue|"
    rb"ruth?|job|joel|amos|tobias)"
    rb" \d{1,3}, ?\d{1,3}(?:\s?-\s?\d|\.\d|(?= y ))"
)
"""A book of the Bible with chapter and verse."""

TASK = re.compile(
    rb"\b(?:analiza\w*|sintactic\w*|traduce|traducir|translate|rewrite|fill in|complete the|completa|conjuga|"
    rb"subraya|"
    rb"pon en|estilo directo|estilo indirecto|voz pasiva|voz activa|passive|reported speech|choose the|"
    rb"underline|"
    rb"oracio\w*|sintagma|sujeto|predicado|complemento\w*|atributo|vocativo|nombres? propios?|"
    rb"corr(?:ige|egir) (?:la|las|esta|estas) (?:frases?|oracion\w*)|correct the)\b"
)
"""A sentence is worked on, so that who speaks in it is invented."""

NOT_NAMES = not_names()
"""What may stand where a name could, with a capital or not, and names nobody."""
