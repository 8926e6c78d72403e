"""Foreign functions whose call, while a module is imported, changes nothing that another definition can see."""

from __future__ import annotations

from typing import Final

#: Built-in functions and types.
_BUILTINS: Final = frozenset(
    """
    abs all any bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter float format
    frozenset getattr hasattr hash hex int isinstance issubclass len list map max min object oct ord pow
    property range repr reversed round set slice sorted staticmethod str sum super tuple type zip
    """.split()  # noqa: SIM905 (a list says no more and is longer)
)

#: Modules all of whose callables are.
_MODULES: Final = frozenset(
    """
    abc attr attrs base64 beartype binascii calendar cmath collections colorsys contextlib contextvars copy
    dataclasses datetime decimal enum fnmatch fractions functools hashlib importlib.resources ipaddress
    itertools json math numba numbers operator os.path palmette pathlib posixpath re shlex statistics string
    struct tenacity textwrap types typing typing_extensions uuid zoneinfo
    """.split()  # noqa: SIM905 (a list says no more and is longer)
)

_NAMES: Final = frozenset(
    """
    annotated_types.Ge annotated_types.Gt annotated_types.Interval annotated_types.Le annotated_types.Lt jax.jit
    joblib.delayed logging.NullHandler logging.getLogger os.cpu_count os.environ.get os.fspath os.getenv
    pandas.CategoricalDtype pandas.DataFrame pandas.DateOffset pandas.Index pandas.Interval pandas.Series
    pandas.StringDtype pandas.Timedelta pandas.Timestamp pandas.date_range pandas.to_datetime
    pandas.to_timedelta polars.Categorical polars.DataFrame polars.Datetime polars.Schema polars.Series
    polars.col polars.lit pyarrow.field pyarrow.float32 pyarrow.float64 pyarrow.int32 pyarrow.int64
    pyarrow.schema pyarrow.string pydantic.AfterValidator pydantic.BeforeValidator pydantic.ConfigDict
    pydantic.Field pydantic.TypeAdapter pydantic.computed_field pydantic.field_serializer
    pydantic.field_validator pydantic.model_serializer pydantic.model_validator pydantic.root_validator
    pydantic.validate_call pydantic.validator sklearn.base.clone sys.getsizeof threading.Lock threading.RLock
    threading.local torch.device torch.inference_mode torch.jit.ignore torch.jit.script torch.jit.unused
    torch.no_grad warnings.catch_warnings
    """.split()  # noqa: SIM905 (a list says no more and is longer)
)

#: Of those, what changes its arguments, or what all see.
_CHANGING: Final = frozenset(
    [
        "abc.ABCMeta.register", "copy.copyreg", "operator.call", "operator.delitem", "operator.setitem",
        *(f"operator.i{name}" for name in ("add", "and", "concat", "floordiv", "lshift", "matmul", "mod", "mul", "or",
                                           "pow", "rshift", "sub", "truediv", "xor")),
    ]
)  # fmt: skip

#: Of NumPy, what is not: it draws numbers, writes files or changes settings.
_NUMPY: Final = frozenset(
    """
    copyto fill_diagonal lib memmap place put putmask random save savetxt savez savez_compressed
    set_printoptions set_string_function setbufsize seterr seterrcall testing
    """.split()  # noqa: SIM905 (a list says no more and is longer)
)

#: Packages whose classes may be bases: defining a subclass registers it nowhere.
_BASES: Final = frozenset(
    """
    attr attrs catboost keras lightgbm lightning numpy palmette pandas pydantic pydantic_settings
    pytorch_lightning scipy sklearn tensorflow torch transformers typing_extensions xgboost
    """.split()  # noqa: SIM905 (a list says no more and is longer)
)

#: Methods that only read their object.
READING: Final = frozenset(
    """
    absolute as_posix astype casefold copy count decode difference encode endswith expanduser format format_map
    from_dict fromkeys get index intersection isdigit items join joinpath keys lower lstrip match partition
    read_bytes read_text relative_to removeprefix removesuffix replace reshape resolve rpartition rsplit rstrip
    search split splitlines startswith strip symmetric_difference title tolist total_seconds translate union
    upper values with_name with_stem with_suffix zfill
    """.split()  # noqa: SIM905 (a list says no more and is longer)
)

#: Of those that take a function, the ones that keep it instead of calling it.
KEEPING: Final = frozenset(
    """
    builtins.callable builtins.classmethod builtins.dict builtins.isinstance builtins.list builtins.property
    builtins.staticmethod builtins.tuple collections.defaultdict contextlib.asynccontextmanager
    contextlib.contextmanager dataclasses.dataclass dataclasses.field functools.cache functools.cached_property
    functools.lru_cache functools.partial functools.partialmethod functools.singledispatch
    functools.total_ordering functools.wraps pydantic.AfterValidator pydantic.BeforeValidator pydantic.Field
    sklearn.metrics.make_scorer sklearn.preprocessing.FunctionTransformer types.MappingProxyType
    """.split()  # noqa: SIM905 (a list says no more and is longer)
)


def pure_callable(origin: str) -> bool:
    """Whether calling this foreign function, by its dotted origin, leaves everything else as it was."""
    module, _, name = origin.rpartition(".")
    if module == "builtins":
        return name in _BUILTINS or (name[:1].isupper() and name.isidentifier())
    if origin in _NAMES:
        return True
    parts = origin.split(".")
    if any(".".join(parts[:length]) in _MODULES for length in (1, 2)):
        return origin not in _CHANGING
    if parts[0] == "numpy":
        return len(parts) > 1 and parts[1] not in _NUMPY
    if parts[0] == "sklearn":
        return name[:1].isupper() or name in ("make_pipeline", "make_scorer", "make_column_transformer", "make_union")
    return False


def pure_base(origin: str, standard_library: frozenset[str]) -> bool:
    """Whether subclassing this foreign class registers the subclass nowhere."""
    top = origin.partition(".")[0]
    return top in _BASES or top == "builtins" or top in standard_library


def keeps(origin: str) -> bool:
    """Whether a foreign function only keeps the functions it is given."""
    return origin in KEEPING or origin.startswith("palmette.")


def makes_its_own(origin: str) -> bool:
    """Whether what a foreign function returns may be changed without anything else seeing it."""
    return "." in origin and origin not in _MODULES and pure_callable(origin)
