"""The songbook of the demo: what the catalogue knows, and what stays unknown to it."""

from __future__ import annotations

from fractions import Fraction

from recognizer.demo.tunes import Tune

_QUAVER, _CROTCHET, _SEMIQUAVER = Fraction(1, 2), Fraction(1), Fraction(1, 4)

CATALOGUE = (
    Tune(
        "greensleeves", "Greensleeves", "English, 16th century", "Am", (6, 8), _QUAVER, 150,
        {
            "A": """A | [Am] c2 d e3/2 ^f/ e | [G] d2 B G3/2 A/ B | [Am] c2 A A3/2 ^G/ A | [E] B2 ^G E2 A
                    | [Am] c2 d e3/2 ^f/ e | [G] d2 B G3/2 A/ B | [Am] c3/2 B/ A [E] ^G3/2 ^F/ ^G | [Am] A3 A3""",
            "B": """[C] g3 g3/2 ^f/ e | [G] d2 B G3/2 A/ B | [Am] c2 A A3/2 ^G/ A | [E] B2 ^G E3
                    | [C] g3 g3/2 ^f/ e | [G] d2 B G3/2 A/ B | [Am] c3/2 B/ A [E] ^G3/2 ^F/ ^G | [Am] A3 A3""",
        },
        "AABB",
    ),
    Tune(
        "scarborough-fair", "Scarborough Fair", "English, traditional", "Ddor", (3, 4), _CROTCHET, 120,
        {
            "A": """[Dm] D2 D | A A A | [C] E3/2 F/ E | [Dm] D3 | [F] z A c | [Dm] d2 c | [G] A B G | [Dm] A2 d
                    | d2 d | [F] c2 A | [C] G F E | C3 | [Dm] D2 A | [C] G F E | D2 C | [Dm] D3""",
        },
        "AA",
    ),
    Tune(
        "ode-to-joy", "Ode to Joy", "Ludwig van Beethoven (1770-1827)", "D", (4, 4), _CROTCHET, 132,
        {
            "A": """[D] F F G A | [A] A G F E | [D] D D E F | [A] F3/2 E/ E2
                    | [D] F F G A | [A] A G F E | [D] D D E F | [A] E3/2 D/ [D] D2""",
            "B": """[A] E E [D] F D | [A] E F/ G/ [D] F D | [A] E F/ G/ [B7] F E | [Em] D E [A] A,2
                    | [D] F F G A | [A] A G F E | [D] D D E F | [A] E3/2 D/ [D] D2""",
        },
        "ABB",
    ),
    Tune(
        "amazing-grace", "Amazing Grace", "New Britain, American, 1829", "G", (3, 4), _CROTCHET, 96,
        {
            "A": """D | [G] G2 B/ G/ | B2 A | [C] G2 E | [G] D2 D | G2 B/ G/ | [Em] B2 A | [D] d3- | d2 B
                    | [G] d2 B/ G/ | B2 A | [C] G2 E | [G] D2 D | [Em] G2 B/ G/ | [D] B2 A | [G] G3- | G3""",
        },
        "AA",
    ),
    Tune(
        "auld-lang-syne", "Auld Lang Syne", "Scottish, traditional", "F", (4, 4), _CROTCHET, 108,
        {
            "A": """C | [F] F3/2 F/ F A | [C] G3/2 F/ G A | [F] F3/2 F/ A c | [Bb] d3 d
                    | [F] c3/2 A/ A F | [C] G3/2 F/ G A | [Bb] F3/2 D/ [C] D C | [F] F4""",
            "B": """d | [F] c3/2 A/ A F | [C] G3/2 F/ G d | [F] c3/2 A/ A c | [Bb] d3 d
                    | [F] c3/2 A/ A F | [C] G3/2 F/ G A | [Bb] F3/2 D/ [C] D C | [F] F4""",
        },
        "AB",
    ),
    Tune(
        "korobeiniki", "Korobeiniki", "Russian, traditional, 1861", "Am", (4, 4), _QUAVER, 132,
        {
            "A": """[E] e2 B c d2 c B | [Am] A2 A c e2 d c | [E] B3 c d2 e2 | [Am] c2 A2 A4
                    | [Dm] d3 f a2 g f | [C] e3 c e2 d c | [E] B2 B c d2 e2 | [Am] c2 A2 A4""",
            "B": """[Am] e4 c4 | [E] d4 B4 | [Am] c4 A4 | [E] ^G4 B4
                    | [Am] e4 c4 | [E] d4 B4 | [Am] c2 e2 a4 | [E] ^g8""",
        },
        "AABA",
    ),
    Tune(
        "minuet-in-g", "Minuet in G", "Christian Petzold (1677-1733)", "G", (3, 4), _QUAVER, 126,
        {
            "A": """[G] d2 G A B c | d2 G2 G2 | [C] e2 c d e f | [G] g2 G2 G2
                    | [Am] c2 d c B A | [G] B2 c B A G | [D] F2 G A B G | A6
                    | [G] d2 G A B c | d2 G2 G2 | [C] e2 c d e f | [G] g2 G2 G2
                    | [Am] c2 d c B A | [G] B2 c B A G | [D] A2 B A G F | [G] G6""",
            "B": """[G] b2 g a b g | [D] a2 d e f d | [Em] g2 e f g d | [A] ^c2 B ^c A2
                    | [A7] A B ^c d e f | [D] g2 f2 e2 | [A] f2 A2 ^c2 | [D] d6
                    | [G] d2 G F G2 | [C] e2 G F G2 | [G] d2 c2 B2 | [D] A G F G A2
                    | D E F G A B | [Am] c2 B2 A2 | [D] B d G2 F2 | [G] G6""",
        },
        "AB",
    ),
    Tune(
        "londonderry-air", "Londonderry Air", "Irish, traditional, 1855", "C", (4, 4), _QUAVER, 84,
        {
            "A": """B, C D | [C] E3 D [C7] E A G E | [F] D C A,3 C E F | [C] G3 A [Am] G E C E | [G] D5 B, C D
                    | [C] E3 D [C7] E A G E | [F] D C A,3 A, B, C | [G] D3 E F E D B, | [C] C8""",
            "B": """G A B | [Am] c3 B [F] B A G A | [C] G E C3 G A B | [Am] c3 B [D7] B A G E | [G] D5 G G G
                    | [C] e3 d [F] d c A c | [C] G E C3 B, C D | [Am] E A G E [G] D C A, B, | [C] C8""",
        },
        "AB",
    ),
    Tune(
        "oh-susanna", "Oh! Susanna", "Stephen Foster (1826-1864)", "D", (2, 4), _QUAVER, 120,
        {
            "A": """D/ E/ | [D] F A A3/2 B/ | A F D3/2 E/ | F F E D | [A] E3 D/ E/
                    | [D] F A A3/2 B/ | A F D3/2 E/ | F F [A] E E | [D] D4""",
            "B": """[G] G2 G2 | B B2 B | [D] A A F D | [A] E3 D/ E/
                    | [D] F A A3/2 B/ | A F D3/2 E/ | F F [A] E E | [D] D4""",
        },
        "AAB",
    ),
    Tune(
        "silent-night", "Silent Night", "Franz Xaver Gruber (1787-1863)", "C", (6, 8), _QUAVER, 84,
        {
            "A": """[C] G3/2 A/ G E3 | G3/2 A/ G E3 | [G7] d2 d B3 | [C] c2 c G3
                    | [F] A2 A c3/2 B/ A | [C] G3/2 A/ G E3 | [F] A2 A c3/2 B/ A | [C] G3/2 A/ G E3
                    | [G7] d2 d f3/2 d/ B | [C] c3 e3 | c3/2 G/ E [G7] G3/2 F/ D | [C] C6""",
        },
        "AA",
    ),
    Tune(
        "god-rest-ye-merry", "God Rest Ye Merry, Gentlemen", "English, traditional", "Em", (4, 4), _CROTCHET, 138,
        {
            "A": """E | [Em] E B B A | G F E D | [C] E F G A | [B7] B3 E
                    | [Em] E B B A | G F E D | [C] E F G A | [B7] B3 B
                    | [Am] c A B c | [G] d e B A | [Em] G E F G | [D] A2 G A
                    | [G] B2 c B | [B7] B A G F | [Em] E2 G/ F/ E | [D] A2 G A
                    | [G] B c d e | [B7] B A G F | [Em] E4""",
        },
        "AA",
    ),
    Tune(
        "fur-elise", "Für Elise", "Ludwig van Beethoven (1770-1827)", "Am", (3, 8), _SEMIQUAVER, 72,
        {
            "A": """e ^d | [Am] e ^d e B d c | A2 z C E A | [E] B2 z E ^G B | [Am] c2 z E e ^d
                    | e ^d e B d c | A2 z C E A | [E] B2 z E c B | [Am] A4 z2""",
            "B": """B c d | [C] e3 G f e | [G] d3 F e d | [Am] c3 E d c | [E] B2 z E e z
                    | z e e' z z ^d | e z z ^d e ^d""",
        },
        "AABA",
    ),
)  # fmt: skip

UNKNOWN = (
    Tune(
        "jingle-bells", "Jingle Bells", "James Lord Pierpont (1822-1893)", "G", (4, 4), _CROTCHET, 168,
        {
            "A": """[G] D B A G | D3 D/ D/ | D B A G | [C] E4 | E c B A | [D] F4 | d d c A | [G] B4
                    | D B A G | D3 D | D B A G | [C] E3 E | E c B A | [D] d d d d | e d c A | [G] G2 d2""",
            "B": """[G] B B B2 | B B B2 | B d G3/2 A/ | B4 | [C] c c c3/2 c/ | [G] c B B B/ B/
                    | [A7] B A A B | [D] A2 d2 | [G] B B B2 | B B B2 | B d G3/2 A/ | B4 | [C] c c c3/2 c/
                    | [G] c B B B/ B/ | [D] d d c A | [G] G4""",
        },
        "AB",
    ),
    Tune(
        "mountain-king", "In the Hall of the Mountain King", "Edvard Grieg (1843-1907)", "Bm", (4, 4), _QUAVER, 112,
        {
            "A": """[Bm] B, C D E F D F2 | [F#] ^E C ^E2 [C] =E =C E2 | [Bm] B, C D E F D F B | [D] A F D F A4""",
            "B": """[F#] F ^G ^A B c ^A c2 | [Bm] d ^A d2 [F#] c ^A c2 | F ^G ^A B c ^A c2 | [Bm] d ^A d2 [F#] c4""",
        },
        "AABBAA",
    ),
    Tune(
        "new-world-largo", "Largo from the New World", "Antonín Dvořák (1841-1904)", "C", (4, 4), _CROTCHET, 76,
        {
            "A": """[C] E3/2 G/ G2 | E3/2 D/ C2 | [F] D3/2 E/ [C] G3/2 E/ | [G] D4
                    | [C] E3/2 G/ G2 | [Am] E3/2 D/ C2 | [G] D3/2 E/ D3/2 C/ | [C] C4""",
            "B": """[F] A c c2 | [Am] B G A2 | [F] A c [Em] B G | [Am] A4
                    | [F] A c c2 | [Am] B G A2 | [F] A c [Em] B G | [Am] A4""",
        },
        "ABA",
    ),
    Tune(
        "irish-washerwoman", "The Irish Washerwoman", "Irish, traditional", "G", (6, 8), _QUAVER, 168,
        {
            "A": """d/ c/ | [G] B G G D G G | B G B d c B | [Am] c A A E A A | [D] c A c e d c
                    | [G] B G G D G G | B G B d c B | [C] c B c [D] A d c | [G] B G G G3""",
            "B": """[G] g d g g d g | g d g b a g | [D] f d f f d f | f d f a g f
                    | [C] e g g [G] d g g | [C] c g g [G] B g g | [C] c B c [D] A d c | [G] B G G G3""",
        },
        "AABB",
    ),
    Tune(
        "sakura", "Sakura Sakura", "Japanese, traditional", "Am", (4, 4), _CROTCHET, 84,
        {
            "A": """[Am] A A B2 | A A B2 | A B c B | [F] A B/ A/ F2 | [Am] E C E F | [Em] E E/ C/ B,2
                    | [Am] A B c B | [F] A B/ A/ F2 | [Am] E C E F | [Em] E E/ C/ B,2
                    | [Am] A A B2 | A A B2 | [F] E F B/ A/ F | [Am] E4""",
        },
        "AA",
    ),
)  # fmt: skip
