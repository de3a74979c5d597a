"""What the overview and the German summary say, side by side in both languages."""

from dimpflow.audit.pages.frame import Said

TITLE = Said(
    "De-identification of job “{}”: overview", "De-Identifizierung des Auftrags „{}“: Zusammenfassung"
)
DID = Said(
    "This job read {lines_in} lines of FHIR data (health records, one record a line) from {files}, replaced, coarsened or removed "
    "values in them by the {rules}, and wrote {lines_out} lines to {result}.",
    "Dieser Auftrag hat {lines_in} Zeilen FHIR-Daten (Gesundheitsdaten, ein Datensatz je Zeile) aus {files} gelesen, darin Angaben nach dem "
    "{rules} ersetzt, vergröbert oder entfernt und {lines_out} Zeilen nach {result} geschrieben.",
)  # fmt: skip
MEASURED = Said(
    "{} checks were run and passed; the risk of recognition was measured, and is for you to judge.",
    "{} Prüfungen wurden durchgeführt und bestanden; das Wiedererkennungsrisiko wurde gemessen und ist von Ihnen zu beurteilen.",
)
PASSED = Said("All {} checks were run and passed.", "Alle {} Prüfungen wurden durchgeführt und bestanden.")
FAILED = Said(
    "{} of {} checks FAILED: {}. Do not release the result before this has been looked into.",
    "{} von {} Prüfungen NICHT bestanden: {}. Das Ergebnis nicht herausgeben, bevor das geklärt ist.",
)
OPEN = Said(
    "{} of {} checks were not run, the others passed. Open is: {}.",
    "{} von {} Prüfungen wurden nicht durchgeführt, die übrigen bestanden. Offen ist: {}.",
)
QUOTED = Said("“{}”", "„{}“")
NOT_ANONYMOUS = Said(
    "The result is pseudonymised, not anonymous: it still is personal data.",
    "Das Ergebnis ist pseudonymisiert, nicht anonym: Es bleibt personenbezogen.",
)
LEAKY = Said(
    "Until then treat it as what it was made from.",
    "Bis dahin ist es zu behandeln wie das, woraus es gemacht wurde.",
)
CHECKS = Said("The checks", "Die Prüfungen")
CHECKS_HEADER = Said("Check|Verdict|What was found", "Prüfung|Ergebnis|Befund")
LINES = Said("Every line is accounted for", "Jede Zeile ist nachgewiesen")
LINES_FOUND = Said("{} in, {} out, {} set aside", "{} hinein, {} hinaus, {} ausgesondert")
LEAKS = Said(
    "No known identifying value of the input is left",
    "Keine bekannte identifizierende Angabe der Eingabe ist übrig",
)
LEAKS_NONE = Said(
    "{} different values looked for, none found", "{} verschiedene Angaben gesucht, keine gefunden"
)
LEAKS_FOUND = Said(
    "{} different values looked for, found {} times at {} paths",
    "{} verschiedene Angaben gesucht, {} Funde an {} Pfaden",
)
TOLERATED = Said("; {} more at tolerated paths", "; {} weitere an geduldeten Pfaden")
CONSISTENCY = Said("Records belong together as before", "Datensätze gehören zusammen wie vorher")
CONSISTENCY_FOUND = Said(
    "{1} of {0} references are still there; {2} faults",
    "{1} von {0} Verweisen sind noch da; {2} Abweichungen",
)
RISK = Said("Enough patients look alike", "Genügend Patienten ähneln einander")
RISK_FOUND = Said(
    "{} of {} patients ({}) in groups of fewer than {}", "{} von {} Patienten ({}) in Gruppen unter {}"
)
RISK_KNOWN = Said(", if {} are known", ", wenn {} bekannt sind")
COUNTS = Said("In and out", "Eingang und Ausgang")
COUNTS_HEADER = Said("Lines by type|In|Out", "Zeilen nach Typ|Eingang|Ausgang")
OTHERS = Said("{} other types", "{} andere Typen")
ALL = Said("All", "Alle")
REJECTED = Said("Not FHIR, set aside on import", "Kein FHIR, beim Import ausgesondert")
SET_ASIDE = Said("Not de-identifiable, set aside", "Nicht de-identifizierbar, ausgesondert")
LEFT_OUT = Said("Left out on import: {}", "Beim Import ausgelassen: {}")
EMPTY = Said("Bundles without entries, left out", "Leere Bundles, ausgelassen")
USED = Said("By what", "Womit")
USED_HEADER = Said("Fact|Value", "Angabe|Wert")
RULE_SET = Said("rule set {}", "Regelwerk {}")
SERVICES_OWN = Said("rule set of the DIMP service", "Regelwerk des DIMP-Dienstes")
RULES = Said("Rule set", "Regelwerk")
RULES_SHA = Said("SHA-256 of the rule set", "SHA-256 des Regelwerks")
ENGINE = Said("Applied by", "Angewandt von")
EMBEDDED = Said("the embedded engine, mode {}", "der eingebauten Engine, Modus {}")
SERVICE = Said("the DIMP service {}", "dem DIMP-Dienst {}")
KEY = Said("Fingerprint of the key", "Fingerabdruck des Schlüssels")
NO_KEY = Said("no key was used", "kein Schlüssel verwendet")
SERVICES_KEY = Said("the service’s own, not known", "der des Dienstes, nicht bekannt")
RESULT_SHA = Said("SHA-256 of the result", "SHA-256 des Ergebnisses")
STARTED = Said("Run started", "Lauf begonnen")
MADE = Said("These facts collected", "Angaben erhoben")
SIGNED = Said("Signed by certificate (SHA-256)", "Signiert mit Zertifikat (SHA-256)")
NOT_SIGNED = Said("not signed", "nicht signiert")
SOFTWARE = Said("Software", "Software")
LIMITS = Said("What this does not prove", "Was das nicht beweist")
NOT_UNKNOWN = Said(
    "That nobody can be recognised. Dates of treatment, rare diagnoses and unusual courses can still point at a person whom "
    "somebody knows; whoever has the key, or the list of pseudonyms, can go back.",
    "Dass niemand wiedererkannt werden kann. Behandlungsdaten, seltene Diagnosen und ungewöhnliche Verläufe können weiterhin auf eine "
    "Person deuten, die jemand kennt; wer den Schlüssel oder die Zuordnungsliste hat, kann zurückrechnen.",
)
RIGHT_RULES = Said(
    "That the rules are the right ones for the purpose. It is shown that they did what they say; whether they say enough is for "
    "the person who is responsible to judge.",
    "Dass die Regeln für den Zweck die richtigen sind. Gezeigt wird, dass sie getan haben, was in ihnen steht; ob das genügt, "
    "muss beurteilen, wer die Verantwortung trägt.",
)
RIGHT_SERVICE = Said(
    "That the rules are the right ones for the purpose, or that the service did what they say: this workflow sees only what became of the "
    "data. Whether that is enough is for the person who is responsible to judge.",
    "Dass die Regeln für den Zweck die richtigen sind, oder dass der Dienst getan hat, was in ihnen steht: Dieser Workflow sieht nur, was "
    "aus den Daten wurde. Ob das genügt, muss beurteilen, wer die Verantwortung trägt.",
)
ALL_LEAKS = Said(
    "That the leak check knows everything. It looks for names, numbers, addresses and birth dates that stand in the input as such. Nicknames, "
    "misspellings, and people whom only a text names are unknown to it.",
    "Dass die Prüfung auf Reste alles kennt. Sie sucht Namen, Nummern, Adressen und Geburtsdaten, die in der Eingabe als solche stehen. "
    "Spitznamen, Schreibfehler und Personen, die nur ein Text nennt, kennt sie nicht.",
)
TEXT_SCRUBBED = Said(
    "That free text is clean. This rule set keeps texts and replaces in them what is known of the patient; all else of them stays. "
    "Give such data only to those who may read them.",
    "Dass Freitext sauber ist. Dieses Regelwerk behält Texte und ersetzt darin, was vom Patienten bekannt ist; alles andere bleibt. "
    "Solche Daten nur an Personen geben, die sie lesen dürfen.",
)
TEXT = Said(
    "That text which the rules keep is clean. No program reads it; which text is kept is shown by the table of the rule set.",
    "Dass Text, den die Regeln behalten, sauber ist. Kein Programm liest ihn; welcher Text bleibt, zeigt die Tabelle zum Regelwerk.",
)
TEXT_SERVICE = Said(
    "That text which the service leaves is clean. No program reads it; which text is left is shown by the page on consistency.",
    "Dass Text, den der Dienst übrig lässt, sauber ist. Kein Programm liest ihn; welcher Text bleibt, zeigt die Seite zur Konsistenz (Consistency).",
)
RISK_LIMIT = Said(
    "A small risk from anything but {}. The risk was computed for these alone, and within these data.",
    "Ein geringes Risiko durch anderes als {}. Das Risiko wurde nur dafür berechnet, und nur innerhalb dieser Daten.",
)
RISK_OPEN = Said(
    "A small risk of recognition. It was not computed for this job.",
    "Ein geringes Risiko der Wiedererkennung. Es wurde für diesen Auftrag nicht berechnet.",
)
VERIFY = Said(
    "Whether a file was changed after the audit is checked by",
    "Ob eine Datei nach dem Audit verändert wurde, prüft",
)
MORE = Said(
    "Each check, the rule set in words, digests and versions have a page of their own in this report.",
    "Im Bericht hat jede Prüfung eine eigene Seite (englisch), ebenso Prüfsummen und Versionen.",
)
