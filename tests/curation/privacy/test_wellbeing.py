"""Confidences are told from lessons: what somebody says of themselves or of a person they know waits for a person."""

from __future__ import annotations

import pytest

from ftworker.curation.privacy import sensitive
from ftworker.curation.privacy.wellbeing import sensitive_kinds
from tests.curation.privacy.measured import lessons

WELLBEING = """
me quiero morir
no quiero vivir más
He pensado en suicidarme
me corto los brazos cuando estoy mal
me hago daño a mí misma
mi padre me pega
mi padre pega a mi madre
mi padrastro abusa de mí
me hacen bullying en clase
los de mi clase se ríen de mí
se meten conmigo todos los días
me insultan por el grupo
me provoco el vómito después de comer
he dejado de comer para adelgazar
me siento muy sola
nadie me quiere
me amenazan con difundir mis fotos
tengo miedo de volver a casa
mi amiga se autolesiona
mi mejor amiga se quiere suicidar
mi novio me pega
quiero escaparme de casa
em vull morir
em fan bullying a l'institut
es riuen de mi
el meu pare em pega
I want to die
I want to kill myself
my dad hits me
I am being bullied
estoy deprimida
me odio
quero morrer
hil nahi dut
Marta se corta y no sé qué hacer, me lo ha contado
ayer me pegaron a la salida
"""
HEALTH = """
llevo semanas durmiendo fatal y con mucha ansiedad por los exámenes
porto mesos amb molta ansietat
tengo diabetes tipo 1
soy celíaca
me han diagnosticado TDAH
tengo ansiedad por los exámenes
tomo pastillas para dormir
tomo Concerta por las mañanas
estoy embarazada
creo que estoy embarazada
no me baja la regla
mi madre tiene cáncer
mi abuela está ingresada
voy al psicólogo los martes
mi psicóloga dice que escriba
tengo una discapacidad del 33 %
soy sordo y llevo audífonos
mi hermano tiene autismo
tinc asma
m'han diagnosticat dislèxia
I have epilepsy
I was diagnosed with ADHD
I'm pregnant
mi amiga Lucía tiene anorexia
me van a operar de la rodilla
me recetaron antidepresivos
tengo ataques de pánico
el meu germà té autisme
Sara tiene epilepsia y me da miedo que le dé un ataque
"""
LESSONS = """
llevo dos horas con el tema de la diabetes y no lo entiendo
El suicidio de Larra en 1837
La diabetes es una enfermedad metabólica
Durkheim, El suicidio (1897)
la depresión de 1929 fue mundial
La Gran Depresión
¿Qué es el cáncer?
Explica el ciclo de la insulina
El bullying es un problema en las escuelas
Prepara un debate sobre el acoso escolar
Anna Karenina se suicida al final
En Bodas de sangre mueren los dos hombres
Romeo se mata al creerla muerta
Werther se quita la vida
el VIH ataca los linfocitos
Juan tiene diabetes. ¿Qué hormona le falta?
la depresión del Guadalquivir
tengo que hacer un trabajo sobre la anorexia
tengo que estudiar el cáncer y los tumores
mi profe nos explicó la epilepsia
me gusta el tema del sistema nervioso
El personaje tiene depresión tras la guerra
me muero de risa
me quiero morir de risa
me corto el pelo mañana
me he cortado con un folio
me pego al texto cuando resumo
vivir en la ciudad
cómo se toman los medicamentos
¿qué es la dislexia?
soy un desastre con las mates
tengo un problema de mates
soy de letras
tengo sueño y hambre
El asma es una enfermedad respiratoria
Los antidepresivos actúan sobre la serotonina
mi libro tiene 300 páginas
la bulimia y la anorexia son trastornos alimentarios
se corta la recta con el plano
la recta corta al eje
la función toca el eje
El embarazo dura 40 semanas
¿cómo afecta el alcohol?
el maltrato animal está penado
tengo examen de trastornos del lenguaje
mi grupo tiene el tema del cáncer
tengo el síndrome de Down en el temario
Freud habló de la ansiedad
I have a test about diabetes
My friend has a dog
él se pega al suelo
la madre de Bernarda Alba está loca
me mato a estudiar
Kill Bill es una película
el poeta quiere morir de amor
"""


def lines(texts: str) -> list[str]:
    return texts.strip().split("\n")


@pytest.mark.parametrize("text", lines(WELLBEING))
def test_a_confidence_of_wellbeing_is_seen(text: str) -> None:
    assert sensitive(text) == "wellbeing"


@pytest.mark.parametrize("text", lines(HEALTH))
def test_a_confidence_of_health_is_seen(text: str) -> None:
    assert sensitive(text) == "health"


@pytest.mark.parametrize("text", lines(LESSONS))
def test_a_lesson_on_the_same_things_is_left_alone(text: str) -> None:
    assert sensitive(text) is None


def test_no_lesson_of_the_test_set_is_taken_for_a_confidence() -> None:
    assert [lesson.text for lesson in lessons() if sensitive(lesson.text)] == []


def test_a_confidence_is_seen_within_a_long_text_and_however_it_is_accented() -> None:
    around = "La fotosíntesis ocurre en los cloroplastos. " * 20
    assert sensitive(f"{around}Por cierto, ME QUIERO MORIR.\n{around}") == "wellbeing"
    assert sensitive("me diagnosticaron depresión") == sensitive("me diagnosticaron depresion") == "health"


def test_texts_that_are_looked_through_together_are_found_as_each_is_alone() -> None:
    texts = [
        *lines(WELLBEING),
        *lines(LESSONS),
        *lines(HEALTH),
        *lines(LESSONS)[::2],
        "",
        "me",
        "quiero morir",
        "me pegan [NOMBRE_1]",
        "[NOMBRE_2]",
    ]
    for begin in range(0, len(texts), 3):
        together = texts[begin : begin + 3]
        assert sensitive_kinds(together) == {sensitive(text) for text in together} - {None}
    assert sensitive_kinds(["me", "quiero morir"]) == {sensitive("quiero morir")} - {None}
    assert sensitive_kinds(["me encanta", "ra\N{COMBINING DIAERESIS}s", "me quiero morir"]) == {"wellbeing"}
