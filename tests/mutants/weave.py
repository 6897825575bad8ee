"""All mutants of a file in one text, each behind its number.

What is changed and into what, cargo-mutants says. Here it becomes Rust that is the written program as long as no number
is chosen. Nothing is compiled and nothing is run here.
"""

import re
from dataclasses import dataclass, field

SWITCH = "crate::mutant::is"

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)
      |(?P<word>b?r(?P<hash>\#*)"(?:.|\n)*?"(?P=hash)|b?"(?:\\(?:.|\n)|[^"\\])*"|b?'(?:\\.[^']*|[^'\\])'
        |'?[A-Za-z_]\w*|\d[\w]*(?:\.\d\w*)?)
      |(?P<sign>::<|\.\.=|\.\.\.|<<=|>>=|=>|->|::|==|!=|<=|>=|&&|\|\||\+=|-=|\*=|/=|%=|\|=|&=|\^=|\.\.|<<|.)""",
    re.VERBOSE,
)

# How tightly an operator binds; what is not here ends every operand.
BINDS = {"*": 9, "/": 9, "%": 9, "+": 8, "-": 8, "<<": 7, ">>": 7, "&": 6, "^": 5, "|": 4}
BINDS |= dict.fromkeys(["==", "!=", "<", ">", "<=", ">="], 3) | {"&&": 2, "||": 1}
BINDS |= dict.fromkeys(["=", "+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=", "<<=", ">>="], 0)
ENDS = {",", ";", ":", "=>", "..", "..=", "->"}
WORDS_THAT_END = {"if", "while", "match", "return", "let", "else", "in", "move", "break", "for"}


@dataclass
class Token:
    text: str
    start: int
    end: int
    is_word: bool
    partner: int | None = None  # the place of the other bracket
    is_unary: bool = False
    is_bar: bool = False  # of a closure's arguments


@dataclass
class Piece:
    """A piece of the file that is written otherwise for the sake of one mutant: words, and parts of the file as
    (start, end) that may hold other pieces."""

    start: int
    end: int
    number: int
    written: list


class CannotWeave(Exception):
    """The change cannot be written so; the mutant is left out."""


def tokens_of(text):
    tokens, at = [], 0
    while at < len(text):
        found = TOKEN.match(text, at)
        at = found.end()
        if not found["space"]:
            tokens.append(Token(found[0], found.start(), at, bool(found["word"])))
    pair_brackets(tokens)
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else None
        begins = (
            before is None
            or (not before.is_word and before.text not in (")", "]", "}", "?", ">"))
            or before.text in WORDS_THAT_END
        )
        token.is_unary = begins and token.text in ("&", "&&", "*", "-", "!")
        if token.text == "||" and begins:
            token.is_bar = True
        elif token.text == "|" and begins and not token.is_bar:
            token.is_bar = True
            next(other for other in tokens[place + 1 :] if other.text == "|").is_bar = True
    return tokens


def pair_brackets(tokens):
    """Round, square, curly; and angle brackets after `::`, which hold types."""
    stack, angles = [], []
    for place, token in enumerate(tokens):
        if token.is_word:
            continue
        if token.text in ("(", "[", "{", "::<"):
            stack.append(place)
        elif token.text == "<" and stack and tokens[stack[-1]].text in ("::<", "<"):
            stack.append(place)
        elif token.text in (")", "]", "}"):
            opened = stack.pop()
            token.partner, tokens[opened].partner = opened, place
        elif token.text == ">" and stack and tokens[stack[-1]].text in ("::<", "<"):
            opened = stack.pop()
            token.partner, tokens[opened].partner = opened, place


def operand(tokens, place, step, binds):
    """How far the operand reaches from the operator at `place`, to the left (-1) or to the right (1)."""
    at = place + step
    last = None
    while 0 <= at < len(tokens):
        token = tokens[at]
        if token.is_word:
            if token.text in WORDS_THAT_END:
                break
        elif token.partner is not None:
            inward = (token.partner - at) * step > 0
            # A block ends what is compared before it, and what stands before a statement is over.
            if not inward or (token.text == "{" and step == 1) or (token.text == "}" and step == -1):
                break
            at = token.partner
        elif token.is_bar or token.text in ENDS:
            break
        elif token.text in BINDS and not token.is_unary:
            if BINDS[token.text] < binds or (step == 1 and BINDS[token.text] == binds):
                break
        last = at
        at += step
    if last is None:
        raise CannotWeave("no operand")
    return last


class Weaver:
    """One file."""

    def __init__(self, text):
        self.text = text
        self.tokens = tokens_of(text)
        self.at = {token.start: place for place, token in enumerate(self.tokens)}
        self.lines = [0]
        for line in text.split("\n"):
            self.lines.append(self.lines[-1] + len(line) + 1)
        self.pieces = []

    def offset(self, position):
        return self.lines[position["line"] - 1] + position["column"] - 1

    def add(self, number, mutant):
        """Makes room for a mutant as cargo-mutants lists it."""
        start, end = self.offset(mutant["span"]["start"]), self.offset(mutant["span"]["end"])
        genre, into, chosen = mutant["genre"], mutant["replacement"], f"{SWITCH}({number})"
        if genre == "FnValue":
            return self.write(number, start, start, [f"if {chosen} {{ return {into}; }} "])
        if genre == "MatchArmGuard":
            also = f" || {chosen})" if into == "true" else f" && !{chosen})"
            return self.write(number, start, end, ["(", (start, end), also])
        if genre not in ("BinaryOperator", "UnaryOperator") or self.text[start] == "-" and not into:
            raise CannotWeave("an arm, a field or a sign is left out, not replaced")
        place = self.at[start]
        sign, is_unary = self.tokens[place].text, genre == "UnaryOperator"
        right = (self.tokens[place + 1].start, self.tokens[operand(self.tokens, place, 1, BINDS.get(sign, 10))].end)
        if is_unary:
            return self.write(number, start, right[1], ["((", (start, right[1]), f") != {chosen})"])
        first = operand(self.tokens, place, -1, BINDS[sign])
        if self.tokens[place + 1].text == "let" or self.is_after_let(first - 1):
            raise CannotWeave("there is no other operator in a let chain")
        left = (self.tokens[first].start, self.tokens[place - 1].end)
        whole = (left[0], right[1])
        if sign in ("&&", "||"):
            compared = "!=" if sign == "&&" else "=="
            written = ["({ let left: bool = ", left, f"; if left {compared} {chosen} {{ ", right, " } else { left } })"]
        elif {sign, into} == {"==", "!="}:
            written = ["((", whole, f") != {chosen})"]
        else:
            written = [f"(if {chosen} {{ ", left, f" {into} ", right, " } else { ", whole, " })"]
        self.write(number, *whole, written)

    def write(self, number, start, end, written):
        self.pieces.append(Piece(start, end, number, written))

    def is_after_let(self, place):
        """Whether the `=` at `place` is that of an `if let`."""
        if self.tokens[place].text != "=":
            return self.tokens[place].text == "let"
        while self.tokens[place].text not in ("let", ";", "{", "}"):
            partner = self.tokens[place].partner
            place = min(place, partner or place) - 1
        return self.tokens[place].text == "let" and self.tokens[place - 1].text in ("if", "while", "&&")

    def woven(self, left_out):
        """The text with all mutants but those `left_out`, and where each came to stand, in bytes of UTF-8."""
        pieces = [piece for piece in self.pieces if piece.number not in left_out]
        pieces.sort(key=lambda piece: (piece.start, piece.end != piece.start, -piece.end))
        self.out, self.length, self.places = [], 0, []
        self.render(0, len(self.text), pieces)
        return "".join(self.out), self.places

    def put(self, text):
        self.out.append(text)
        self.length += len(text.encode())

    def render(self, start, end, pieces):
        """Writes a part of the file with `pieces`, the outermost of which stands first."""
        while pieces:
            piece, *others = pieces
            self.put(self.text[start : piece.start])
            began = self.length
            inner = [one for one in others if one.start < piece.end]
            if any(one.end > piece.end for one in inner):
                raise ValueError(f"operands overlap: {self.text[piece.start:piece.end]!r}")
            for part in piece.written:
                if isinstance(part, str):
                    self.put(part)
                else:
                    self.render(*part, [one for one in inner if part[0] <= one.start and one.end <= part[1]])
            self.places.append((began, self.length, piece.number))
            start, pieces = piece.end, others[len(inner) :]
        self.put(self.text[start:end])
