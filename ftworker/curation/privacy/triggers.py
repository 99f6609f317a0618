"""What a text must hold for a family of rules to be worth running: a word, or enough digits close together.

Nearly every text of a lesson holds nothing that any rule could find. One pass of an automaton and a count of digits
tell, so that patterns run over few texts. What stands here must stand in whatever a family finds: a test holds it.
"""

from __future__ import annotations

import re

from ftworker.curation.privacy.folding import View


class Family:
    """Rules that run together: one bit each. Plain numbers, for they are put together for every text."""

    NAMES = 1
    AT_SIGN = 2
    SPELT_EMAIL = 4
    BARE_HANDLE = 8
    SPELT_PHONE = 16
    ADDRESS = 32
    BIRTH = 64
    NUMBERS = 128
    RECORD = 256
    POSTAL_CODE = 512
    PLATE = 1024
    HOME = 2048
    OWN_NUMBER = 4096


EVERY = 8191
PLACED = Family.ADDRESS | Family.HOME | Family.OWN_NUMBER
"""Rules that look at the place of their word alone."""

# A space is the beginning or the end of a word; without one at the end, words that begin so count too.
_WORDS: dict[int, str] = {
    Family.SPELT_EMAIL: " arroba| arrova| arrob | abildua| at gmail| at hotmail| at outlook| at yahoo| at icloud",
    Family.BARE_HANDLE: " insta | instagram | ig | tik tok | tiktok | twitter | twitch | snap | snapchat | discord "
    "| telegram | youtube | roblox | fortnite | steam | usuario | nick | user | alias | gamertag | facebook "
    "| minecraft | valorant | brawl | clash | be real | bereal | tt | ps4 | ps5 | psn | play | playstation | xbox "
    "| nintendo "
    "| switch | epic | lol | genshin | wattpad | pinterest | spotify | reddit | tumblr | kick | threads | vinted |"
    " duolingo "
    "| kahoot | signal | linkedin | usuaria | username | nickname | login | cuenta | perfil | canal | compte | conta "
    "| gmail | hotmail | outlook | yahoo | icloud | fb | mi arroba | mi tag | mi id | me encuentras | me encontrais "
    "| me buscas | buscame | buscadme | agregame | agregadme | anademe | sigueme ",
    Family.SPELT_PHONE: " telef| tel | telf | tfn | tfno | tfo | tlf| movil| mobil| whats| wasap| wassap| wa | guasap"
    "| whasap| bizum| llama| truca| contact| mi num| meu num| su num| nire | zenbakia| phone| call "
    "| fijo | marca| numero de | sms| cel | celu| signal | mvl | mv | movl | fono | fax | whats| wats| guats| wpp "
    "| wp | wsp "
    "| este es mi num| este numero | localiza| urgencia| emergencia| numero | telegram ",
    Family.ADDRESS: " calle | cl | avda | avgda | avenida | avd | av | plaza | pza | plza | plz | pca | pl | "
    "plazuela "
    "| plazoleta | placeta | paseo | pg | pso | psg | camino | cno | cmno | carretera | ctra | crta | ronda | rda "
    "| travesia "
    "| trav | trv | trva | tva | urbanizacion | urb | glorieta | gta | pasaje | pje | psje | ptge | callejon | "
    "calleja "
    "| callejuela | barriada | bda | bulevar | boulevard | blvd | calzada | jiron | jr | prolongacion | carrer | "
    "avinguda "
    "| placa | passeig | passatge | cami | rua | praza | estrada | costanilla | cuesta | rambla | poligono | pol |"
    " via "
    "| gran via | apartado | c | kale | kalea | etorbidea | hiribidea | bidea | pasealekua | alameda | corredera |"
    " travessera | "
    "travessia "
    "| riera | baixada | costa do | costa da | costa dos | costa das | mz | mza | manzana | carrera | cra | kr | "
    "kra | cr "
    "| diagonal | dg | diag | transversal | tv | transv | k ",
    Family.HOME: " vivo | vivimos | visc | vivim | moro | estoy viviendo | i live | we live | bizi naiz | vive | "
    "viven | viu "
    "| viuen | mora | reside | resido | residen | empadronad| direccion | domicilio | domicili | adreca | "
    "enderezo | helbidea "
    "| etxea | address | casa | piso | calle | envi| mand| recog| quedamos | mud",
    Family.OWN_NUMBER: " n i a | n r e | n i p | n i e | n i f | d n i | evau | ebau | pau | exp | expte | expdte "
    "| pin | justificante | localizador | candidate | hoja | folio | dorsal "
    "| comedor "
    "| inscripcion | usuaria | poliza | credencial | identificacion | discapacidad | codi | afiliado | afiliada | "
    "asegurado "
    "| opositor | federado | federada | mutualista | txartela | niu | nip | nic | tarxeta | n | numero | num | no "
    "| nro | codigo | cod | id | identificador | clave | nia | nre | nip | niu | nhc "
    "| n h c | idesp | sip | cip | cipa | cipf | tsi | nuhsa | nif | dni | nie | tie | ralc | idalu | cial | curp "
    "| cuit "
    "| cuil | rut | run | cpf | dui | dpi | nit | nuip | cedula | c c | t i | c i | ci | ti | legajo | boleta | "
    "muface | isfas "
    "| mugeju | expedient | expediente | pasaporte | passaport | passport | student id | student number | usuario "
    "| user "
    "| alumno | alumna | socio | soci | socia | lector | candidato | candidata | opositor | opositora | jugador | "
    "jugadora "
    "| ficha | licencia | ref | referencia | solicitud | resguardo | registro | matricula | carne | carnet | tarjeta "
    "| targeta | tarxeta | abono | permiso de | certificado | historia | libro de | mi resguardo | nss | familia "
    "numerosa "
    "| poliza | seguro ",
    Family.BIRTH: " naci | nacid| nac | nacim| fnac| cumple| cumplo | cumpli | neixer | nascu| naix| aniversari "
    "| nacin | nacemos | nacemento | nacio | naceu | jaio| born | birth| dob | d o b | soy del | f n | fn | fdn | "
    "faig | cumplire "
    "| hago | es del | urtebete| edad | nacim| aniversario ",
    Family.RECORD: " dni | rfc | curp | nif | nie | nia | nuss | naf | n a f | sip | cip | nuhsa | carn| pasaport|"
    " passaport"
    "| passport| expedient| espedient| documento | document | tarjeta | targeta | historia | historial "
    "| student | de alumn| de historia| de cuenta| de afiliacion| de identificacion| de matricula"
    "| de soci| de estudiante| matricula | identificador | alumno n | id de | seguridad | seguretat "
    "| seguridade | gizarte | afiliaci| ralc | idalu | cial | nre | niu | escolar | poliza | familia "
    "| discapaci| dependencia | seguro | muface | tarxeta | tsi | cipa | cipf | licencia | llicencia "
    "| federativa | credencial | mutualista ",
    Family.POSTAL_CODE: " cp | c p | codigo | codi | zip | posta | vivo en | visc a | vivimos en | viviamos en "
    "| domicilio | direccion ",
    Family.PLATE: " matricul| placa | coche| cotxe| carro | moto| furgo| aparc| vehicul| autobus | autocar "
    "| patinete | camion| taxi | conduc| multa| remolque | autoa | plate | car | van | seat | renault "
    "| opel | peugeot | citroen | toyota | ford | audi | bmw | kia | dacia | volkswagen | scooter | ciclomotor | "
    "quad | itv | parking | garaje | accidente "
    "| atropell| choc| golpe ",
}  # fmt: skip

PHRASES: list[tuple[bytes, int]] = [
    (phrase.encode(), family) for family, phrases in _WORDS.items() for phrase in phrases.split("|")
]
"""What the automaton looks for beside names, and which rules it is for."""

# A sign is looked for where its rare byte is: one byte is found twenty times quicker than two.
_SIGNS = (
    (b"@", (b"@",), Family.AT_SIGN),
    (b"@", (b"mi @", b"meu @"), Family.BARE_HANDLE),
    (b"(", (b"(at", b"( at"), Family.SPELT_EMAIL),
    (b"[", (b"[at", b"[ at"), Family.SPELT_EMAIL),
    (b"{", (b"{at", b"{ at"), Family.SPELT_EMAIL),
    (b"<", (b"<at",), Family.SPELT_EMAIL),
    (b"_", (b"_arroba_",), Family.SPELT_EMAIL),
    (b"/", (b".me/", b".com/", b".tv/", b".net/@"), Family.BARE_HANDLE),
    (b"/", (b"c/", b"r/"), Family.ADDRESS),
    (b"\xba", (b"p\xba", b"p.\xba"), Family.ADDRESS),
)
_LONG_NUMBER = re.compile(rb"\d(?:[ .\-/()_*\xb7]{0,2}\d){6}")
_OLD_PLATE = re.compile(rb"-\d{4}-")
_DIGITS_ALIKE = bytes(
    0x30 if code in b"0123456789" else 0x2D if code in b"-/" else 0x20 for code in range(256)
)
_IN_NUMBERS = b" .-/()_*\xb7"
# With every digit as 0 and / as -: looking for bytes costs a tenth of what a pattern costs.
_NEEDS = (
    # "calle Mayor s/n" has no digit.
    (Family.ADDRESS, (b"0", b" - ")),
    (Family.OWN_NUMBER, (b"0",)),
    (Family.RECORD, (b"00000", b"0-000")),
    (Family.POSTAL_CODE, (b"00000",)),
    (Family.PLATE, (b"0000",)),
)
_PLATE = re.compile(rb"\d{4}[ .\-]?[a-z]")
_NEED_DIGITS = sum(family for family, _ in _NEEDS)


def by_signs(seen: View) -> list[tuple[int, int]]:
    """Families that signs and digits call for, and where."""
    folded = seen.folded
    found = []
    for rare, signs, family in _SIGNS:
        if rare in folded:
            for sign in signs:
                at = folded.find(sign)
                while at != -1:
                    found.append((at, family))
                    at = folded.find(sign, at + 1)
    digits = folded.translate(_DIGITS_ALIKE)
    if b"0" not in digits:
        return found
    # Putting digits together and looking for seven costs a fourth of what the pattern costs.
    if b"0000000" in folded.translate(_DIGITS_ALIKE, _IN_NUMBERS):
        found += [(match.start(), Family.NUMBERS) for match in _LONG_NUMBER.finditer(folded)]
    if b"-0000-" in digits:
        found += [(match.start(), Family.PLATE) for match in _OLD_PLATE.finditer(folded)]
    return found


def possible(families: int, folded: bytes) -> int:
    """What is left of the families of a text that lacks the digits some of them need."""
    if families & _NEED_DIGITS:
        digits = folded.translate(_DIGITS_ALIKE)
        if b"numero" in folded or b"calle" in folded:
            pass
        for family, needed in _NEEDS:
            if families & family and not any(run in digits for run in needed):
                families &= ~family
        if families & Family.PLATE and not _PLATE.search(folded):
            families &= ~Family.PLATE
    return families
