"""What rules do, in both languages."""

from dimpflow.audit.pages.frame import Said

KEPT = Said("kept unchanged", "bleibt unverändert")
NEVER = Said(
    "nothing: the path can select nothing in FHIR R4", "nichts: Der Pfad trifft in FHIR R4 auf nichts zu"
)
REMOVED = Said("removed", "entfernt")
EMPTIED = Said(
    "removed, but for what an earlier rule took", "entfernt, außer was eine frühere Regel übernommen hat"
)
WHOLLY = Said("removed with all that it holds", "samt Inhalt entfernt")
HASH = Said("hashed with a secret key ({})", "mit geheimem Schlüssel gehasht ({})")
LENGTH = Said(", cut to {} characters", ", auf {} Zeichen gekürzt")
ENCRYPTED = Said(
    "encrypted (AES-CBC); who has the key can decrypt it",
    "verschlüsselt (AES-CBC); wer den Schlüssel hat, kann es entschlüsseln",
)
DECRYPTED = Said("decrypted", "entschlüsselt")
FIXED = Said("replaced by a fixed value", "durch einen festen Wert ersetzt")
CUT = Said("first {} characters kept", "nur die ersten {} Zeichen bleiben")
CUT_DIGITS = Said(
    "first {} characters of the postal code kept", "nur die ersten {} Zeichen der Postleitzahl bleiben"
)
TO_YEAR = Said("cut to the year", "auf das Jahr gekürzt")
TO_MONTH = Said("cut to the month", "auf den Monat gekürzt")
CASES = Said(
    "made coarser by the rule’s own list of cases ({})", "nach der Fallliste der Regel vergröbert ({})"
)
ELSE_REMOVED = Said("; what fits none is removed", "; was auf keinen passt, wird entfernt")
ELSE_KEPT = Said("; what fits none is kept unchanged", "; was auf keinen passt, bleibt unverändert")
PER_PATIENT = Said("replaced by one pseudonym{} per patient", "durch ein Pseudonym{} je Patient ersetzt")
PER_RESOURCE = Said("replaced by one pseudonym{} per resource", "durch ein Pseudonym{} je Ressource ersetzt")
PSEUDONYM = Said(
    "replaced by a pseudonym{}, the same for the same value",
    "durch ein Pseudonym{} ersetzt, gleiche Werte durch das gleiche",
)
SCRUBBED = Said(
    "known terms of the patient replaced by {}, all other text stays",
    "bekannte Angaben zum Patienten durch {} ersetzt, der übrige Text bleibt",
)
UNKNOWN_REMOVED = Said(
    "; removed if the patient is not known", "; entfernt, wenn der Patient nicht bekannt ist"
)
UNKNOWN_KEPT = Said("; kept if the patient is not known", "; bleibt, wenn der Patient nicht bekannt ist")
SHIFTED = Said("{}; times set to midnight", "{}; Uhrzeiten auf Mitternacht gesetzt")
DAYS = Said("moved by a fixed number of days", "um eine feste Zahl von Tagen verschoben")
KEYED = {
    True: Said(
        "moved by up to 50 days (secret key; the same for all of a patient)",
        "um bis zu 50 Tage verschoben (geheimer Schlüssel; gleich für alles eines Patienten)",
    ),
    False: Said(
        "moved by up to 50 days (secret key; the same within a resource)",
        "um bis zu 50 Tage verschoben (geheimer Schlüssel; gleich innerhalb einer Ressource)",
    ),
}
"""By whether the mode is strict."""
SAME_DAYS = Said(
    "moved by up to 50 days (secret key; the same for all)",
    "um bis zu 50 Tage verschoben (geheimer Schlüssel; gleich für alle)",
)
NOT_WHOLE = Said(
    "; incomplete dates and those that mean an age over 89 are removed",
    "; unvollständige und solche, die ein Alter über 89 bedeuten, werden entfernt",
)
NOT_WHOLE_YEAR = Said(
    "; incomplete dates are cut to the year, those that mean an age over 89 removed",
    "; unvollständige auf das Jahr gekürzt, solche, die ein Alter über 89 bedeuten, entfernt",
)
NOISE = Said("random noise of up to ±{} added", "zufällig um bis zu ±{} verändert")
PER_CENT = Said("{} % of the value", "{} % des Wertes")
IN_IT = {
    "date": Said("dates in it: ", "Datumsangaben darin: "),
    "number": Said("numbers in it: ", "Zahlen darin: "),
    "text": Said("texts in it: ", "Texte darin: "),
    "value": Said("each value in it: ", "jeder Wert darin: "),
}
REST_STAYS = Said("; all else in it stays", "; alles andere darin bleibt")
YEARS_STAY = Said(
    "dates cut to the year, removed if they mean an age over 89",
    "Datumsangaben auf das Jahr gekürzt, entfernt, wenn sie ein Alter über 89 bedeuten",
)
AGES_STAY = Said("ages up to 89 stay", "Altersangaben bis 89 bleiben")
ZIPS_STAY = Said(
    "of postal codes the first 3 characters stay", "von Postleitzahlen bleiben die ersten 3 Zeichen"
)
ZIPS_STAY_BUT = Said(
    "of postal codes the first 3 characters stay, none for listed areas",
    "von Postleitzahlen bleiben die ersten 3 Zeichen, bei gelisteten Gebieten keines",
)

EVERYWHERE = Said(
    "Wherever a rule removes, extensions included: {}.",
    "Wo immer eine Regel entfernt, auch in Erweiterungen: {}.",
)
