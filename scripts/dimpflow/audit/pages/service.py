"""What is to be said of the rules that a DIMP service has applied: they are its own, or were sent along with the data."""

from collections.abc import Iterator

from dimpflow.audit.pages import overview_words as words
from dimpflow.audit.pages.frame import (
    Cell,
    Facts,
    Html,
    Language,
    Said,
    code,
    heading,
    html,
    moment,
    paragraph,
    table,
)

_OWN = Said(
    "The rules are those of the DIMP service {}: they stand in its own configuration, which this workflow does not know. It sent data to the "
    "service and no rules, so it cannot say here what was done to which kind of data.",
    "Die Regeln sind die des DIMP-Dienstes {}: Sie stehen in dessen eigener Konfiguration, die dieser Workflow nicht kennt. Er hat dem Dienst "
    "Daten geschickt und keine Regeln; was mit welchen Daten geschieht, kann er darum hier nicht sagen.",
)
_ASK = Said(
    "The operator of the service can: ask for its rule set as it was at the time of the run, and keep it with this report.",
    "Das kann der Betreiber des Dienstes: Fordern Sie das Regelwerk an, wie es zur Zeit des Laufs galt, und legen Sie es zu diesem Bericht.",
)
_NOT_UNDERSTOOD = Said(
    "The rules were sent along with the data to the DIMP service {}, which applied them. They hold something that this workflow does not "
    "know, so it cannot put them into words. They stand in the file that is named here; its digest tells whether it is the same one.",
    "Die Regeln wurden mit den Daten an den DIMP-Dienst {} geschickt, der sie angewandt hat. Sie enthalten etwas, das dieser Workflow nicht "
    "kennt; er kann sie darum nicht in Worte fassen. Sie stehen in der hier genannten Datei; ihre Prüfsumme zeigt, ob es noch dieselbe ist.",
)
_SENT = Said(
    "These rules were sent along with the data to the DIMP service {}, which applied them. The words say what a FHIR Pseudonymizer does by "
    "such rules; that the service is one, and of a version that does so, is for its operator to say. It does not tell how often a rule did "
    "something, so nothing is counted here.",
    "Diese Regeln wurden mit den Daten an den DIMP-Dienst {} geschickt, der sie angewandt hat. Die Worte sagen, was ein FHIR Pseudonymizer "
    "nach solchen Regeln tut; dass der Dienst einer ist, und in einer Version, die das tut, muss sein Betreiber sagen. Er teilt nicht mit, wie "
    "oft eine Regel etwas getan hat; darum ist hier nichts gezählt.",
)
_SEEN = Said(
    "What the service did to the data was measured all the same, by comparing them before and after: which values of each path were kept, "
    "changed or have gone is shown by the page on consistency, and whether known identifying values are left by the page on leaks.",
    "Was der Dienst mit den Daten getan hat, wurde dennoch gemessen, durch den Vergleich von vorher und nachher: Welche Werte an jedem Pfad "
    "blieben, sich änderten oder entfielen, zeigt die Seite zur Konsistenz (Consistency), ob bekannte identifizierende Angaben übrig sind, die zu den Resten (Leaks).",
)  # fmt: skip
_KNOWN = Said("What is known", "Was bekannt ist")
_SERVICE = Said("Service", "Dienst")
_SETTING = Said("Setting sent along: {}", "Mitgeschickte Einstellung: {}")


def unknown_rules(facts: Facts, language: Language) -> Iterator[Html]:
    """That the rules are not known here, why, and what is known."""
    used = facts["rules"]
    own = used["file"] is None
    yield _about(_OWN if own else _NOT_UNDERSTOOD, facts, language, "lead open")
    if own:
        yield paragraph(_ASK.by(language))
    if any(
        facts["checks"].get(name, {}).get("state", "not run") != "not run"
        for name in ("leaks", "consistency")
    ):
        yield paragraph(_SEEN.by(language))
    yield heading(_KNOWN.by(language))
    yield table(words.USED_HEADER.by(language).split("|"), list(_known(facts, language)))


def sent_rules(facts: Facts, language: Language) -> Html:
    """That the rules in words are those that were sent along."""
    return _about(_SENT, facts, language, "lead open")


def _about(said: Said, facts: Facts, language: Language, kind: str) -> Html:
    return paragraph(Html(html(said.by(language)).format(code(facts["rules"]["service"]))), kind)


def _known(facts: Facts, language: Language) -> Iterator[tuple[Cell, ...]]:
    used = facts["rules"]
    yield _SERVICE.by(language), code(used["service"])
    if used["file"]:
        yield words.RULES.by(language), code(used["file"])
        yield "SHA-256", code(used["sha256"])
    if started := moment(facts["run"]["started"], language):
        yield words.STARTED.by(language), started
    yield words.MADE.by(language), moment(facts["made"], language)
    for name, value in sorted(used["options"].items()):
        yield _SETTING.by(language).format(name), code(str(value))
