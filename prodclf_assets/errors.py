"""Errors a person can act on: one sentence that names the file, row, field or setting, and the remedy."""


class ProdclfError(Exception):
    """The base of every error that is the user's to mend; its text is shown as it is, without a traceback."""


class SourceError(ProdclfError):
    """A product file is absent, empty, unreadable, or holds nothing usable."""


class MappingError(ProdclfError):
    """A column mapping is malformed or does not fit the file it is used on."""


class LabelError(ProdclfError):
    """The categories of the catalogue cannot be learnt from: absent, blank at a level, or all the same."""


class LakeError(ProdclfError):
    """The lake cannot be reached, refuses a write, or holds bytes that differ from their checksum."""


class RegistryError(ProdclfError):
    """The model registry cannot be reached or does not hold what was asked for."""


class BundleError(ProdclfError):
    """A model bundle is incomplete, altered, or of a format this version cannot read."""


class PassingError(ProdclfError):
    """The base of errors that may pass by themselves: a service did not answer or was too busy."""


class LakeUnavailableError(LakeError, PassingError):
    """The place that keeps the lake did not answer, or was too busy."""


class SourceUnavailableError(SourceError, PassingError):
    """The bucket of the product files did not answer, or was too busy."""


class RegistryUnavailableError(RegistryError, PassingError):
    """The model registry did not answer, or was too busy."""


class RayUnavailableError(PassingError):
    """Ray, which the search and work on a cluster run on, did not start, could not be reached or lost its workers."""
