# ruff: noqa: RUF001 - letters of many languages
"""Encodings: marked, found, stated, or refused with the readings to choose from; never a wrong one without a word."""

import warnings

import pytest

from packlight.data.diagnostics import DataWarning
from packlight.data.formats.decoding import decode
from packlight.errors import DataError

TEXTS = {
    "German": (
        "cp1252",
        "Wie ist das Wetter in München?|Überweise Jürgen fünfzig Euro|Schließ die Tür|Spiel etwas Ruhiges für mich",
    ),
    "French": (
        "cp1252",
        "réveille-moi à six heures|où est l’hôtel|ça va être une journée ensoleillée|annule ma réservation",
    ),
    "Spanish": (
        "cp1252",
        "¿qué hora es en España?|despiértame mañana a las seis|pon música|cancela mi reunión de mañana",
    ),
    "Portuguese": ("cp1252", "que horas são em São Paulo|toque uma música|acorde-me amanhã às seis|quanto custa o pão"),
    "Swedish": ("cp1252", "väck mig klockan sex på måndag|spela något lugnt|hur är vädret i Göteborg|ställ in mötet"),
    "English": ("cp1252", "what’s the weather like|don’t wake me up|“play jazz” please|it’s late – good night"),
    "Polish": (
        "cp1250",
        "obudź mnie o szóstej rano|zagraj coś spokojnego|jaka jest pogoda w Łodzi|odwołaj spotkanie w piątek",
    ),
    "Hungarian": (
        "cp1250",
        "ébressz fel hatkor|milyen idő lesz Győrben|játssz valami nyugodtat|töröld a pénteki találkozót",
    ),
    "Russian": ("cp1251", "разбуди меня в шесть|какая погода в Москве|включи музыку|отмени встречу"),
    "Greek": ("cp1253", "ξύπνα με στις έξι|τι καιρό κάνει στην Αθήνα|παίξε μουσική|ακύρωσε το ραντεβού"),
    "Turkish": ("cp1254", "beni altıda uyandır|İstanbul'da hava nasıl|müzik çal|toplantıyı iptal et|ışığı aç"),
    "Lithuanian": ("cp1257", "pažadink mane šeštą|koks oras Šiauliuose|paleisk ramią muziką|atšauk susitikimą"),
    "Japanese": ("cp932", "六時に起こして|東京の天気は|音楽をかけて|会議をキャンセル|今何時"),
    "Korean": ("cp949", "여섯 시에 깨워줘|서울 날씨 어때|음악 틀어줘|회의 취소해줘"),
}


def file_of(texts):
    return "text,label\r\n" + "".join(f"{text},{'abc'[n % 3]}\r\n" for n, text in enumerate(texts.split("|") * 4))


@pytest.mark.parametrize("encoding", ["cp1252", "cp1251", "cp932"])
def test_files_of_two_encodings_that_were_joined_are_refused(encoding):
    other = {"cp1252": "résilier", "cp1251": "отмени", "cp932": "会議"}[encoding]
    data = "text,label\ncafé 1,x\ncafé 2,x\nno,y\n".encode() + f"{other},y\n".encode(encoding)
    with pytest.raises(DataError, match=r"mixes encodings: row 2 is UTF-8, and row 5 is not; convert its parts"):
        decode("a.csv", data)


@pytest.mark.parametrize("language", TEXTS)
def test_another_encoding_is_read_right_or_not_at_all(language):
    encoding, texts = TEXTS[language]
    text = file_of(texts)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = decode("a.csv", text.encode(encoding)).text
        except DataError as error:
            assert f"in {encoding}" in str(error)  # noqa: PT017 - either outcome is right
            assert "set the right one with --encoding" in str(error)  # noqa: PT017
            return
    assert found == text
    assert "is not UTF-8 and was read as" in str(caught[0].message)


@pytest.mark.parametrize(
    "language", ["German", "French", "Spanish", "Swedish", "English", "Polish", "Russian", "Japanese"]
)
def test_the_common_ones_are_read(language):
    encoding, texts = TEXTS[language]
    with pytest.warns(DataWarning, match=r"check that row \d+ is '.*', or set --encoding"):
        assert decode("a.csv", file_of(texts).encode(encoding)).text == file_of(texts)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
    ],
)
def test_unicode_needs_no_guess(encoding, said):
    text = "text,label\nça va,b\n"
    assert decode("a.csv", text.encode(encoding)) == (text, said)


@pytest.mark.filterwarnings("error")
def test_a_stated_encoding_is_obeyed():
    assert decode("a.csv", "où,b".encode("cp850"), "cp850").text == "où,b"


@pytest.mark.parametrize(
    ("data", "encoding", "words"),
    [
        (b"caf\xe9,b\n\xff,c", "utf-8", "a.csv is not in utf-8: byte 3 (0xe9), row 1; set another --encoding"),
        (b"a,b", "latin-99", "--encoding latin-99: no such encoding; try utf-8"),
        (b"a\nb\0c,d", None, "a.csv is not text: a zero byte in row 2"),
        (b"a", "utf-16", "a.csv is not in utf-16"),
        (b"\xff\xfea", None, "a.csv is not in utf-16"),
    ],
)
def test_what_cannot_be_read_says_why(data, encoding, words):
    with pytest.raises(DataError) as caught:
        decode("a.csv", data, encoding)
    assert words in str(caught.value)


@pytest.mark.parametrize("encoding", ["hex", "rot13", "zlib", "undefined"])
def test_codecs_that_are_no_encodings_of_text_are_refused(encoding):
    with pytest.raises(DataError, match="encoding"):
        decode("a.csv", b"text,label\na,b\n" + b"x" * 100, encoding)
