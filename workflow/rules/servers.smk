# What the rules of files that come from a server need: what is asked for, and which files there are.
EXTRACTS = SETTINGS.torch is not None
FETCHER = SETTINGS.torch or SETTINGS.web
SAMPLED = [f"{source.name}.{'json' if source.document else 'ndjson'}" for source in FOUND.sources]
if FETCHER and "downloads" not in workflow.global_resources:
    workflow.register_resource("downloads", FETCHER.downloads)


def crtdl_of_user(wildcards):
    """Input function: the CRTDL document and its list of patients, if that is what is given."""
    if not isinstance(SETTINGS.inputs, CrtdlFile):
        return []
    return [str(path) for path in (SETTINGS.inputs.path, SETTINGS.crtdl.patients) if path]


def fetched_files():
    """Names of all files that are to be fetched; of TORCH's they are known after the extraction."""
    if SETTINGS.sample:
        return SAMPLED
    if isinstance(SETTINGS.inputs, WebFiles):
        return [web_file.file for web_file in SETTINGS.inputs.files]
    checkpoints.extract.get()
    return read_facts(FOLDER.torch("listing.json"))["files"]


def stands_for(wildcards):
    """Input function: what stands for a result file of TORCH."""
    if SETTINGS.torch is None:
        return []
    checkpoints.extract.get()
    return str(FOLDER.result_file(wildcards.file))


def web_file_of(wildcards):
    """The file of the web that has this name here."""
    if SETTINGS.web is None:
        return None
    return next(one for one in SETTINGS.inputs.files if one.file == wildcards.file)
