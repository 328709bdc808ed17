"""Words of a text, folded so that "Rechnungsnummer", "invoice no." and "invoice_number" meet.

Everything the demo brain decides rests on overlaps of these words. The lexicon below holds the everyday and the
business words of a few languages; a word that is not in it still meets its own inflections.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

_GROUPS: Mapping[str, str] = {
    # what people ask for
    "sale": "sold sell sells selling sales revenue turnover umsatz ventas ventes выручка",
    "most": "highest largest biggest maximum max top best greatest",
    "least": "lowest smallest minimum min fewest worst",
    "weather": "temperature forecast hot warm cold rain raining sunny wetter météo clima погода degrees",
    "convert": "conversion exchange umrechnen change",
    "mail": "email e-mail emails mails",
    "leave": "vacation vacations holiday holidays pto urlaub congés vacaciones отпуск",
    "employee": "employees staff worker workers colleague colleagues mitarbeiter empleado employé",
    "search": "find look lookup retrieve grep query suche buscar chercher",
    "list": "ls dir browse available index catalog catalogue",
    "read": "open load fetch view show cat contents content get",
    "file": "files document documents folder directory",
    "path": "filename filepath pathname",
    "time": "clock hour hours o'clock timezone",
    "day": "days tage jours días дней",
    "stay": "hotel overnight",
    "compute": "calculate calculator calculation arithmetic evaluate math",
    # what papers say
    "invoice": "invoices rechnung rechnungs facture factura fattura счет bill receipt quittung",
    "number": "no nr num numéro numero número номер nummer",
    "date": "dates datum fecha дата dated",
    "total": "totals gesamt gesamtsumme endbetrag итого totale всего sum summe",
    "amount": "betrag montant importe сумма стоимость",
    "pay": "due payable zahlender zahlbetrag zahlbar fällig zahlen échéance payer vencimiento pagar оплате оплаты "
    "balance fälligkeit zahlungsziel",
    "vendor": "seller supplier lieferant verkäufer anbieter fournisseur vendeur émetteur proveedor vendedor emisor "
    "поставщик продавец исполнитель issuer merchant from aussteller",
    "customer": "client buyer kunde kunden cliente acheteur покупатель заказчик comprador empfänger destinataire",
    "tax": "vat mwst ust umsatzsteuer tva iva ндс steuer taxes gst",
    "subtotal": "zwischensumme nettobetrag sous-total",
    "net": "netto ht neto",
    "gross": "brutto ttc bruto",
    "quantity": "qty menge anzahl quantité cantidad кол-во количество qté cant stück pcs units",
    "price": "preis prix precio цена price/unit rate cost costs",
    "unit": "einzel unitario unitaire stückpreis",
    "description": "bezeichnung beschreibung artikel désignation descripción concepto наименование описание item "
    "product leistung position article service producto",
    "currency": "währung devise moneda divisa валюта",
    "order": "bestellung commande pedido заказ bestell",
    "delivery": "lieferung liefer livraison entrega shipping versand доставка",
    "address": "adresse dirección адрес street straße",
    "phone": "telefon tel téléphone teléfono телефон",
    "month": "months monat mois mes месяц",
}
_STOP_WORDS = (
    "a an the of in on at to for and or is are was were be been do does did done can could will would shall "
    "should may i me my we our us you your he she it its they them their this that these those what which who "
    "whom whose when where why how much many with by as from into about say says tell give please there here "
    "any some not if have has had get need want let also than then so but per each every up out off "
    "just same across say via der die das und oder ist sind ein eine im zu für von mit wie viel was wer le la "
    "les des du et ou est un une pour de el los las y o es en por que qué cuál и в на с по что как для из к у "
    "о"
)
_STOP = frozenset(_STOP_WORDS.split())
_SIGNS = {"№": " number ", "n°": " number ", "nº": " number ", "#": " number "}
_PHRASES = re.compile(
    r"(?P<net>hors tax\w*|excl\w*\.? (?:vat|tax|mwst)|(?:ohne|without|sin|без) (?:mwst|ust|tax|vat|iva|ндс)"
    r"|base imponible)"
    r"|(?P<pay>net a payer)"
)
_PIECE = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_WRITTEN = re.compile(rf"\d+(?:[.,]\d+)+|{_PIECE.pattern}")
_CAMEL = re.compile(r"(?<=[a-zà-ÿ0-9])(?=[A-Z][a-z])")


def fold(text: str) -> str:
    """Lower case without accents, with the signs for "number" spelled out."""
    text = text.casefold()
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return _PHRASES.sub(lambda phrase: phrase.lastgroup or "", text)


def _stem(word: str) -> str:
    for suffix, least in (("ies", 5), ("ing", 6), ("ed", 5), ("al", 6), ("es", 5), ("s", 4), ("en", 6), ("e", 4)):
        if word.endswith(suffix) and len(word) >= least and not word.endswith("ss"):
            word = word[: -len(suffix)] + ("y" if suffix == "ies" else "")
            break
    return word.rstrip("eаыиуяой")[:8] or word


_LEXICON = {fold(form): name for name, forms in _GROUPS.items() for form in (name, *forms.split())}


def _known(piece: str) -> str | None:
    return next((_LEXICON[p] for p in (piece, piece[:-1], piece[:-2]) if len(p) > 1 and p in _LEXICON), None)


@lru_cache(maxsize=20_000)
def _meanings(piece: str) -> tuple[str, ...]:
    """What one written word stands for: a lexicon word, two of them for a German compound, else its stem."""
    if piece in _LEXICON:
        return (_LEXICON[piece],)
    for cut in range(4, min(len(piece), 40) - 3):
        left, right = _known(piece[:cut]), _LEXICON.get(piece[cut:])
        if left and right:
            return (left, right)
    if "-" in piece or "'" in piece or "’" in piece:
        return tuple(m for part in re.split(r"['’-]", piece) if part not in _STOP for m in _meanings(part))
    return (_stem(piece),)


def words(text: str) -> list[str]:
    """The content words of `text`, in order: folded, stemmed, in the lexicon's terms. Function words are left out."""
    pieces = _PIECE.findall(fold(_CAMEL.sub(" ", text[:200_000]).replace("_", " ")))
    return [m for p in pieces if p not in _STOP and (len(p) > 1 or p.isdigit()) for m in _meanings(p) if m]


def label_words(text: str) -> list[str]:
    """As `words`, for a short label, in which "from" and "of" can carry meaning."""
    pieces = _PIECE.findall(fold(_CAMEL.sub(" ", text[:200]).replace("_", " ")))
    return [m for p in pieces if p in _LEXICON or p not in _STOP for m in _meanings(p) if m]


def keywords(text: str) -> str:
    """The content words of a question as they were written: what one would type into a search box."""
    return " ".join(p for p in _WRITTEN.findall(text) if fold(p) not in _STOP and len(p) > 1)


def overlap(wanted: Iterable[str], text: str) -> int:
    """How many of the wanted words occur in `text`."""
    found = set(words(text))
    return sum(word in found for word in set(wanted))
