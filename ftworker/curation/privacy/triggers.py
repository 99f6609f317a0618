"""What a text must hold for a family of rules to be worth running: a word, or enough digits close together.

Nearly every text of a lesson holds nothing that any rule could find. One pass of an automaton and a count of digits
tell, so that patterns run over few texts. What stands here must stand in whatever a family finds: a test holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

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
    TABLE = 8192
    PLATE_ABROAD = 16384
    DATED = 32768
    CODED = 65536
    SIGNED = 131072
    ODD = 262144


EVERY = 524287
PLACED = (
    Family.ADDRESS
    | Family.HOME
    | Family.OWN_NUMBER
    | Family.BARE_HANDLE
    | Family.SPELT_PHONE
    | Family.BIRTH
    | Family.NUMBERS
    | Family.SPELT_EMAIL
    | Family.TABLE
    | Family.PLATE
    | Family.PLATE_ABROAD
    | Family.DATED
    | Family.CODED
    | Family.SIGNED
)
"""Rules that look around the places of their words alone."""

# Words that call for rules, folded. An asterisk: whatever begins so; an underscore: a space; %: an underscore.
_WORDS: dict[int, str] = {
    Family.SPELT_EMAIL: """
        arroba* arrova* arrob abildua* at_gmail* at_hotmail* at_outlook* at_yahoo* at_icloud* at
    """,
    Family.BARE_HANDLE: """
        insta instagram ig tik_tok tiktok twitter twitch snap snapchat discord telegram youtube roblox fortnite
        steam usuario nick user alias gamertag facebook minecraft valorant brawl clash be_real bereal tt ps4 ps5
        psn play playstation xbox nintendo switch epic lol genshin wattpad pinterest spotify reddit tumblr kick
        threads vinted duolingo kahoot signal linkedin usuaria username nickname login gmail hotmail outlook
        yahoo icloud fb mi_arroba mi_tag mi_id me_encuentras me_encontrais me_buscas buscame buscadme agregame
        agregadme anademe sigueme mi_cuenta su_cuenta tu_cuenta meva_compte meu_compte mina_conta mi_perfil
        su_perfil meu_perfil steamcommunity t_me github gitlab skype nicks uid x_com
        usuari erabiltzailea erabiltzaile erabiltzailearen ezizena goitizena instagrama tiktoka discorda id_de_juego
        nombre_de_juego gamer_tag user_name follow etiquetadme etiquetad mencionad priv finsta mi_correo
        me_tienes me_teneis
        mi_canal su_canal scratch supercell strava lichess letterboxd geoguessr soundcloud agregadme anadidme seguidme
        buscadme afegiume engadideme free_fire
        meu_canal padlet hackerrank wuolah quizlet replit kaggle goodreads habbo osu genially codeforces deviantart
        itch codewars leetcode blooket gimkit lol_es efootball perfil_falso se_hace_llamar ko_fi linktr behance
        vk_com bsky genius_com patreon contrasena dm md cuenta_se_llama
        etiquetame seguirme me_puedes_seguir bloquead* me_insulta me_amenaza se_hace_pasar hackea* suplant*
        aula_virtual mencioname add_me mi_tag chess
    """,
    Family.SPELT_PHONE: """
        telef* tel telf tfn tfno tfo tlf* movil* mobil* whats* wasap* wassap* wa guasap* whasap* bizum* llama*
        truca* chama* deitu* contact* mi_num* meu_num* su_num* nire zenbakia* phone* call fijo marca* numero_de
        sms* cel celu* signal mvl mv movl fono fax wats* guats* wpp wp wsp este_es_mi_num* este_numero localiza*
        urgencia* emergencia* numero telegram
    """,
    Family.ADDRESS: """
        calle cl avda avgda avenida avd av plaza pza plza plz pca pl plazuela plazoleta placeta paseo pg pso psg
        camino cno cmno carretera ctra crta ronda rda travesia trav trv trva tva urbanizacion urb glorieta gta
        pasaje pje psje ptge callejon calleja callejuela barriada bda bulevar boulevard blvd calzada jiron jr
        prolongacion carrer avinguda placa passeig passatge cami rua praza estrada costanilla cuesta rambla
        poligono pol via gran_via apartado c kale kalea etorbidea privada cerrada andador circuito retorno malecon
        hiribidea bidea pasealekua alameda corredera
        senda sendero vereda bajada subida cjon bv bvar sector canada_real canada_del canada_de cortijo aldea
        travessera travessia riera baixada costa_do costa_da costa_dos costa_das mz mza manzana carrera cra kr
        kra cr diagonal dg diag transversal tv transv k r p partida residencial edificio barrio finca diseminado
    """,
    Family.HOME: """
        vivo vivimos visc vivim moro estoy_viviendo i_live we_live bizi_naiz vive viven viu viuen mora reside
        resido residen empadronad* direccion domicilio domicili adreca enderezo helbidea etxea address casa piso
        portal dpto depto apto pta dir remitente bivo
        te_espero os_espero le_espero te_esperamos os_esperamos calle envi* mand* recog* quedamos mud*
    """,
    Family.OWN_NUMBER: """
        niub uvus niss txartel txartelaren osasun ikasle ikaslearen nan
        n_i_a n_r_e n_i_p n_i_e n_i_f d_n_i evau ebau pau exp expte expdte justificante localizador candidate
        hoja folio dorsal comedor inscripcion usuaria poliza credencial identificacion discapacidad codi
        afiliado afiliada asegurado opositor federado federada mutualista txartela niu nip nic tarxeta n numero
        num nro codigo cod id identificador clave nia nre nhc n_h_c idesp sip cip cipa cipf tsi nuhsa nif dni
        nie tie ralc idalu cial curp cuit cuil rut run cpf dui dpi nit nuip cedula c_c t_i c_i ci ti radicado legajo
        boleta cc lu registrado muface isfas mugeju expedient expediente pasaporte passaport passport student_id
        student_number
        usuario user alumno alumna socio soci socia lector candidato candidata opositora jugador jugadora ficha
        licencia ref referencia solicitud resguardo registro matricula carne carnet tarjeta targeta abono
        permiso_de certificado historia libro_de mi_resguardo nss familia_numerosa seguro
    """,
    Family.TABLE: """
        nacimiento fnac fecha_nac fecha%nacimiento fechanacimiento naixement nacemento telefono telefon movil
        tlf tel dni nia nre expediente
    """,
    Family.BIRTH: """
        fechanac* fecha%nac* birthdate naciste cumple naci nacid* nac nacim* fnac* cumple* cumplo cumpli
        nasi cumpe* neixer nascu* naix* aniversari nacin nacemos nacemento nacio naceu jaio* born birth* dob d_o_b
        soy_del f_n fn fdn faig cumplire hago es_del urtebete* edad aniversario nto d_n cumplimos
        ser_del
        hizo_los los_hizo a_cumplir de_cumplir cumplia fa_anys fago cumpro nado_o nada_o nado_en mi_fecha
        quan_va quan_vas
        sobrina sobrino cumplen cumplio cumplira cumpliran hace_los hara_los mayor_de_edad
        mayoria_de_edad nasc fnto bday nacieron
        y_yo_del al_mundo nacer_el soy_de_enero soy_de_febrero soy_de_marzo
        soy_de_abril soy_de_mayo soy_de_junio soy_de_julio soy_de_agosto soy_de_septiembre
        soy_de_octubre soy_de_noviembre soy_de_diciembre natural_de es_de_enero es_de_febrero
        es_de_marzo es_de_abril es_de_mayo es_de_junio es_de_julio es_de_agosto es_de_septiembre
        es_de_octubre es_de_noviembre es_de_diciembre
    """,
    Family.DATED: """
        hijo hija mi_hermano mi_hermana mi_sobrin* mi_niet* su_hermano su_hermana nene nena mellizos gemelos mellizas
        3_anos 4_anos 5_anos 6_anos 7_anos 8_anos 9_anos 10_anos 11_anos 12_anos 13_anos 14_anos 15_anos 16_anos
        17_anos
        anos_cumplidos tengo_9 tengo_10 tengo_11 tengo_12 tengo_13 tengo_14 tengo_15 tengo_16 tengo_17 tengo_18
        tengo_19
        tiene_2 tiene_3 tiene_4 tiene_5 tiene_6 tiene_7 tiene_8 tiene_9 tiene_10 tiene_11 tiene_12 tiene_13
        tiene_14 tiene_15 tiene_16 tiene_17
        gemelas mi_alumn* alumna el_nino la_nina mi_nino mi_nina mi_peque el_peque la_peque bebe nacida nacido
    """,
    Family.RECORD: """
        dni rfc curp nif nie nia nuss naf n_a_f sip cip nuhsa carn* pasaport* passaport* passport* expedient*
        espedient* documento document tarjeta targeta historia historial student de_alumn* de_historia*
        de_cuenta* de_afiliacion* de_identificacion* de_matricula* de_soci* de_estudiante* matricula
        identificador alumno_n id_de seguridad seguretat seguridade gizarte afiliaci* ralc idalu cial nre niu
        escolar poliza familia discapaci* dependencia seguro muface tarxeta tsi cipa cipf licencia llicencia
        federativa credencial mutualista mutua aseguradora adeslas sanitas asisa dkv
    """,
    Family.POSTAL_CODE: """
        cp c_p codigo codi zip posta vivo_en visc_a vivimos_en viviamos_en domicilio direccion
    """,
    Family.PLATE_ABROAD: """
        matricul* placa placas patente camioneta auto autos coche* cotxe* carro moto* cochera estacionamiento
        furgo* aparc* vehicul* vehicle* camion* taxi plate car seat renault opel peugeot citroen toyota ford
        audi bmw kia dacia volkswagen hyundai nissan mercedes fiat skoda mazda honda yamaha suzuki chevrolet kangoo
        aveo buseta parking garaje conduc* multa* atropell* autobus doble_fila segunda_fila luces_puestas grua
    """,
}

PHRASES: list[tuple[bytes, int]] = [
    (
        f" {word.rstrip('*')}{'' if word.endswith('*') else ' '}".replace("_", " ")
        .replace("%", "_")
        .encode(),
        family,
    )
    for family, words in _WORDS.items()
    for word in words.split()
]
"""What the automaton looks for beside names, and which rules it is for."""

_LONG_NUMBER = re.compile(rb"0" + rb"[ \-]{0,2}+0" * 6)
_DOTTED_DATE = re.compile(rb"\d{1,2}[. ]\d{1,2}[. ](?:19|20)\d\d(?!\d)")
_FEWEST_DIGITS = 6
# Every digit a nought, hyphens and slashes alike, so that looking for bytes does: a tenth of what a pattern costs.
_DIGITS_ALIKE = bytes(
    0x30 if code in b"0123456789" else 0x2D if code in b"-/" else 0x20 if code in b" .()_*\xb7" else 0x78
    for code in range(256)
)
_NEEDS = (
    # "calle Mayor s/n" has no digit.
    (Family.ADDRESS, (b"0", b"x-x")),
    (Family.HOME, (b"0", b"x-x")),
    (Family.OWN_NUMBER, (b"000", b"0-00", b"0 000", b"00 00", b"0 0 0")),
    (Family.RECORD, (b"00000", b"0-000")),
    (Family.TABLE, (b"0000",)),
    (Family.POSTAL_CODE, (b"00000",)),
    (Family.PLATE_ABROAD, (b"00",)),
    (Family.DATED, (b" 0000", b"-0000", b"-0-00", b"-00-00")),
)
_PLATE = re.compile(rb"\d{4}(?:[ .\-\xb7/_]| - )?[bcdfghjklmnpqrstvwxyz]{3}(?![\w\-])")
_OLD_PLATE = re.compile(
    rb"(?<!\w)(?!(?:de|el|en|la|un|es) )[a-z]{1,2}[ \-]?\d{4}(?: [a-z]{2}|-?[a-z]{1,2})(?![\w\-])"
)
# What one or the other goes on with behind its digits: most fours of digits are years, which one look is enough for.
_AFTER_DIGITS_OF_A_PLATE = re.compile(
    rb"(?:(?:[ .\-\xb7/_]| - )?[bcdfghjklmnpqrstvwxyz]{3}| [a-z]{2}|-?[a-z]{1,2})(?![\w\-])"
)
_FLOOR = re.compile(rb"[a-z.] ?,? ?(?:n\S{0,2} ?)?\d{1,3}(?:,| -)? ?\d{1,2}\.?$")
_LONGEST_FLOOR = 16
_OLD_PLATE_ENDS = re.compile(rb"\d{4}(?: [a-z]{2}|-?[a-z]{1,2})(?![\w\-])")
_OLDEST_BACK = 3
_CODE_OF_TOWN = re.compile(rb"(?<!\d)(?:0[1-9]|[1-4]\d|5[0-2])\d{3}[,)]? \(?[a-z]{3}")
_NUMBER_IN_WORDS = (b"numero", b"izquierda", b"derecha")
"""What stands beside a number in words: "plaza de España número doce", "calle Luna, doce, segundo izquierda"."""
_WITHOUT_A_NUMBER = Family.ADDRESS | Family.HOME
_NEED_DIGITS = sum(family for family, _ in _NEEDS)


def digits_alike(folded: bytes) -> bytes:
    """The text as `by_signs` and `possible` read it: every digit a nought, hyphens and slashes alike, no letters."""
    return folded.translate(_DIGITS_ALIKE)


def by_signs(seen: View, digits: bytes) -> list[tuple[int, int, int, None]]:
    """Where signs and digits call for families, as `names` has places. `digits`: what `digits_alike` says of them."""
    folded = seen.folded
    found: list[tuple[int, int, int, None]] = []
    at = folded.find(b"@")
    while at != -1:
        found.append((at, at, Family.AT_SIGN, None))
        if folded.endswith((b"mi ", b"meu "), 0, at):
            found.append((at, at, Family.BARE_HANDLE, None))
        at = folded.find(b"@", at + 1)
    at = folded.find(b"arroba")
    while at != -1:
        found.append((at, at, Family.SPELT_EMAIL, None))
        at = folded.find(b"arroba", at + 1)
    at = folded.find(b"_")
    while at != -1:
        if folded[at - 3 : at].isalpha() or folded[at + 1 : at + 4].isalpha():
            found.append((at, at, Family.SIGNED, None))
        at = folded.find(b"_", at + 1)
    at = folded.find(b"#")
    while at != -1:
        if digits.startswith(b"000", at + 1) and folded[at - 3 : at].isalnum():
            found.append((at, at, Family.SIGNED, None))
        at = folded.find(b"#", at + 1)
    at = folded.find(b"\xba")
    while at != -1:
        if _FLOOR.search(folded, max(0, at - _LONGEST_FLOOR), at):
            found.append((at, at, Family.HOME, None))
        at = folded.find(b"\xba", at + 1)
    at = digits.find(b"0000")
    while at != -1:
        if digits.startswith(b"0", at + 4):
            if _CODE_OF_TOWN.match(folded, at):
                found.append((at, at, Family.CODED, None))
        elif _AFTER_DIGITS_OF_A_PLATE.match(folded, at + 4) and (
            _PLATE.match(folded, at) or _is_old_plate(folded, at)
        ):
            found.append((at, at, Family.PLATE, None))
        at = digits.find(b"0000", at + 4)
    for match in _LONG_NUMBER.finditer(digits):
        found.append((match.start(), match.start(), Family.NUMBERS, None))
        if _DOTTED_DATE.match(folded, match.start()):
            found.append((match.start(), match.start(), Family.BIRTH, None))
    at = digits.find(b"-0000")
    if at != -1 and digits.count(b"0") >= _FEWEST_DIGITS:
        while at != -1:
            if digits.endswith((b"-0", b"-00"), 0, at):
                found.append((at, at, Family.BIRTH, None))
            at = digits.find(b"-0000", at + 5)
    return found


def _is_old_plate(folded: bytes, at: int) -> bool:
    """Whether a letter or two stand before and behind these four digits."""
    if _OLD_PLATE_ENDS.match(folded, at) is None:
        return False
    before = folded[at - 1 : at]
    if not (before in {b"-", b" "} or before.isalpha()):
        return False
    return any(_OLD_PLATE.match(folded, begin) for begin in range(max(0, at - _OLDEST_BACK), at))


def stretches(seen: View, at: Iterable[int], before: int, after: int) -> Iterator[tuple[int, int]]:
    """So many characters around each of these places, in order; those that overlap are one."""
    begin = end = -1
    for place in at:
        if place - before > end:
            if end > 0:
                yield max(begin, 0), min(end, len(seen.folded))
            begin = place - before
        end = place + after
    if end > 0:
        yield max(begin, 0), min(end, len(seen.folded))


def possible(families: int, folded: bytes, digits: bytes, begin: int, end: int) -> int:
    """What is left of the families of a stretch that lacks the digits some of them need."""
    # Here and wherever it is often asked `find` and not `in`: that one first fails to read the bytes as a number.
    if families & _NEED_DIGITS:
        if digits.find(b"0", begin, end) == -1:
            kept = families & _WITHOUT_A_NUMBER
            if kept and digits.find(b"x-x", begin, end) == -1:
                kept *= any(folded.find(word, begin, end) != -1 for word in _NUMBER_IN_WORDS)
            return families & ~_NEED_DIGITS | kept
        for family, needed in _needs(families & _NEED_DIGITS):
            for run in needed:
                if digits.find(run, begin, end) != -1:
                    break
            else:
                families &= ~family
    return families


@cache
def _needs(families: int) -> tuple[tuple[int, tuple[bytes, ...]], ...]:
    """Those of `_NEEDS` that are of these families: one or two of eight, mostly the same."""
    return tuple((family, needed) for family, needed in _NEEDS if families & family)
