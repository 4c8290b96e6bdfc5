//! `bb.data_smart.DataSmart`: what metadata calls `d`.

use std::rc::Rc;

use pyo3::exceptions::{PyAttributeError, PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{
    PyDict, PyIterator, PyList, PySet, PyString, PyTuple, PyWeakrefMethods, PyWeakrefReference,
};
use rbake::data::{Assignment, Origin, Parsed, Read, Store, Value};

use crate::engine;
use crate::error::OrRaise;
use crate::gil::Gil;
use crate::value::{from_python, to_python};

/// A store of variables. There is one Python object for each store as long as anybody holds it.
#[pyclass(module = "bb.data_smart", subclass, weakref, frozen, mapping)]
pub struct DataSmart {
    store: Gil<Store>,
}

/// What a store knows of its Python object.
struct Wrapper {
    object: Py<PyWeakrefReference>,
    /// Attributes that metadata set on the object. They stay with the store when the object goes and comes again.
    attributes: Option<Py<PyDict>>,
}

/// The Python object of a store.
pub fn wrap<'py>(py: Python<'py>, store: &Store) -> PyResult<Bound<'py, DataSmart>> {
    let known = with_wrapper(store, |wrapper| wrapper.object.clone_ref(py));
    if let Some(object) = known.and_then(|object| object.bind(py).upgrade()) {
        return Ok(object.cast_into::<DataSmart>()?);
    }
    let object = Bound::new(py, DataSmart { store: Gil::new(py, store.clone()) })?;
    register(&object)?;
    Ok(object)
}

fn with_wrapper<R>(store: &Store, read: impl FnOnce(&mut Wrapper) -> R) -> Option<R> {
    let mut slot = store.wrapper();
    slot.as_mut().and_then(|wrapper| wrapper.downcast_mut::<Wrapper>()).map(read)
}

fn register(object: &Bound<'_, DataSmart>) -> PyResult<()> {
    let py = object.py();
    let store = object.get().store(py);
    let weak = PyWeakrefReference::new(object.as_any())?.unbind();
    let attributes = with_wrapper(store, |wrapper| wrapper.attributes.take()).flatten();
    let old = store.wrapper().replace(Box::new(Wrapper { object: weak, attributes }));
    // Dropping it may run Python code, which may come back here.
    drop(old);
    Ok(())
}

/// Anything Python takes for true.
pub struct Truth(pub bool);

impl<'py> FromPyObject<'_, 'py> for Truth {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        object.is_truthy().map(Truth)
    }
}

/// The keyword arguments that say where a change comes from (BitBake's `**loginfo`).
#[derive(Default)]
struct LogInfo {
    ignore: bool,
    parsing: bool,
    op: Option<String>,
    detail: Option<Value>,
    place: Option<(Rc<str>, u32)>,
}

impl LogInfo {
    fn read(keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut info = LogInfo::default();
        let Some(keywords) = keywords else { return Ok(info) };
        let mut line = 0;
        let mut file: Option<Rc<str>> = None;
        for (key, value) in keywords {
            match &*key.extract::<PyBackedStr>()? {
                "ignore" => info.ignore = value.is_truthy()?,
                "parsing" => info.parsing = true,
                "op" if value.is_truthy()? => info.op = Some(value.str()?.to_string_lossy().into_owned()),
                "detail" => info.detail = Some(from_python(&value)?),
                "file" => file = Some(value.str()?.to_string_lossy().into()),
                "line" => line = value.extract().unwrap_or_default(),
                _ => {}
            }
        }
        info.place = file.map(|file| (file, line));
        Ok(info)
    }

    fn origin(&self) -> Origin<'_> {
        match &self.place {
            _ if self.ignore => Origin::Hidden,
            Some((file, line)) => Origin::Statement { file, line: *line },
            None => Origin::Caller,
        }
    }
}

impl DataSmart {
    /// The store.
    pub fn store(&self, py: Python<'_>) -> &Store {
        self.store.get(py)
    }
}

fn optional<'py>(py: Python<'py>, value: Option<&Value>) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Some(value) => to_python(py, value),
        None => Ok(py.None().into_bound(py)),
    }
}

/// The result of a parse as `bb.data_smart.VariableParse`.
fn parse_to_python<'py>(
    py: Python<'py>,
    d: &Bound<'py, DataSmart>,
    name: Option<&str>,
    parsed: &Parsed,
) -> PyResult<Bound<'py, PyAny>> {
    let class = py.import("bb.data_smart")?.getattr("VariableParse")?;
    let unexpanded = optional(py, parsed.unexpanded.as_ref())?;
    let value = optional(py, parsed.value.as_ref())?;
    let result = class.call1((name, d, unexpanded, value))?;
    result.setattr("references", PySet::new(py, parsed.references.iter().map(|name| &**name))?)?;
    result.setattr("execs", PySet::new(py, parsed.execs.iter().map(|name| &**name))?)?;
    let contains = PyDict::new(py);
    for (name, words) in &parsed.contains {
        contains.set_item(&**name, PySet::new(py, words.iter().map(|word| &**word))?)?;
    }
    result.setattr("contains", contains)?;
    if let Some(removes) = &parsed.removes {
        result.setattr("removes", PySet::new(py, removes.iter().map(|text| text.as_str()))?)?;
    }
    Ok(result)
}

/// Calls a method of `collections.abc.MutableMapping` on an object.
fn mapping_method<'py>(
    d: &Bound<'py, DataSmart>,
    name: &str,
    arguments: &Bound<'py, PyTuple>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = d.py();
    let method = py.import("collections.abc")?.getattr("MutableMapping")?.getattr(name)?;
    let mut all: Vec<Bound<'_, PyAny>> = vec![d.as_any().clone()];
    all.extend(arguments.iter());
    method.call(PyTuple::new(py, all)?, keywords)
}

fn mapping_view<'py>(d: &Bound<'py, DataSmart>, class: &str) -> PyResult<Bound<'py, PyAny>> {
    d.py().import("collections.abc")?.getattr(class)?.call1((d,))
}

/// An object of `bb.data_smart` that belongs to a store.
fn companion<'py>(d: &Bound<'py, DataSmart>, class: &str) -> PyResult<Bound<'py, PyAny>> {
    d.py().import("bb.data_smart")?.getattr(class)?.call1((d,))
}

#[pymethods]
#[allow(non_snake_case, reason = "the names are BitBake's")]
impl DataSmart {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(
        py: Python<'_>,
        _arguments: &Bound<'_, PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        Ok(DataSmart { store: Gil::new(py, engine::run(py)?.store()) })
    }

    #[pyo3(signature = (*_arguments, **_keywords))]
    fn __init__(
        slf: &Bound<'_, Self>,
        _arguments: &Bound<'_, PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        register(slf)
    }

    // --- variables -------------------------------------------------------------------------------------------------------------

    #[pyo3(signature = (var, expand=Truth(true), noweakdefault=Truth(false), parsing=Truth(false)))]
    fn getVar<'py>(
        &self,
        py: Python<'py>,
        var: PyBackedStr,
        expand: Truth,
        noweakdefault: Truth,
        parsing: Truth,
    ) -> PyResult<Bound<'py, PyAny>> {
        let store = self.store(py);
        let how = Read { expand: expand.0, no_weak: noweakdefault.0, parsing: parsing.0 };
        let value = if expand.0 && !noweakdefault.0 && !parsing.0 {
            store.get_var(&var)
        } else {
            store.read_var(&var, how).map(|(value, _)| value)
        };
        optional(py, value.or_raise(py)?.as_ref())
    }

    #[pyo3(signature = (var, value, **loginfo))]
    fn setVar(
        &self,
        py: Python<'_>,
        var: PyBackedStr,
        value: &Bound<'_, PyAny>,
        loginfo: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let info = LogInfo::read(loginfo)?;
        let assignment = Assignment {
            value: from_python(value)?,
            parsing: info.parsing,
            origin: info.origin(),
            op: info.op.as_deref().unwrap_or("set"),
            detail: info.detail.clone(),
        };
        self.store(py).assign(&var, assignment).or_raise(py)
    }

    #[pyo3(signature = (var, value, **loginfo))]
    fn appendVar(
        &self,
        py: Python<'_>,
        var: PyBackedStr,
        value: &Bound<'_, PyAny>,
        loginfo: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let info = LogInfo::read(loginfo)?;
        self.store(py).append_var(&var, from_python(value)?, info.origin()).or_raise(py)
    }

    #[pyo3(signature = (var, value, **loginfo))]
    fn prependVar(
        &self,
        py: Python<'_>,
        var: PyBackedStr,
        value: &Bound<'_, PyAny>,
        loginfo: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let info = LogInfo::read(loginfo)?;
        self.store(py).prepend_var(&var, from_python(value)?, info.origin()).or_raise(py)
    }

    #[pyo3(signature = (var, **loginfo))]
    fn delVar(&self, py: Python<'_>, var: PyBackedStr, loginfo: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let info = LogInfo::read(loginfo)?;
        self.store(py).del_var(&var, info.origin());
        Ok(())
    }

    #[pyo3(signature = (key, newkey, **loginfo))]
    fn renameVar(
        &self,
        py: Python<'_>,
        key: PyBackedStr,
        newkey: PyBackedStr,
        loginfo: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let info = LogInfo::read(loginfo)?;
        self.store(py).rename_var(&key, &newkey, info.origin()).or_raise(py)
    }

    fn initVar(&self, py: Python<'_>, var: PyBackedStr) {
        self.store(py).init_var(&var);
    }

    // --- flags -----------------------------------------------------------------------------------------------------------------

    #[pyo3(signature = (var, flag, expand=Truth(true), noweakdefault=Truth(false), parsing=Truth(false), retparser=Truth(false)))]
    #[allow(clippy::too_many_arguments, reason = "the signature is BitBake's")]
    fn getVarFlag<'py>(
        slf: &Bound<'py, Self>,
        var: PyBackedStr,
        flag: Option<PyBackedStr>,
        expand: Truth,
        noweakdefault: Truth,
        parsing: Truth,
        retparser: Truth,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let store = slf.get().store(py);
        let Some(flag) = flag.filter(|flag| !flag.is_empty()) else {
            store.log(rbake::data::Level::Warning, "Calling getVarFlag with flag unset is invalid");
            return Ok(py.None().into_bound(py));
        };
        let how = Read { expand: expand.0, no_weak: noweakdefault.0, parsing: parsing.0 };
        if !retparser.0 {
            return optional(py, store.read_flag(&var, &flag, how).or_raise(py)?.as_ref());
        }
        let content = &*flag == "_content";
        let (mut value, parsed) = match how.expand && content {
            true => {
                let (value, parsed) = store.read_var(&var, how).or_raise(py)?;
                (value, parsed.unwrap_or_default())
            }
            false => store.read_flag_parsed(&var, &flag).or_raise(py)?,
        };
        if how.expand && !content {
            value = parsed.value.clone();
        }
        let name = if content { var.to_string() } else { format!("{var}[{flag}]") };
        let parser = parse_to_python(py, slf, Some(&name), &parsed)?;
        Ok((optional(py, value.as_ref())?, parser).into_pyobject(py)?.into_any())
    }

    #[pyo3(signature = (var, flag, value, **loginfo))]
    fn setVarFlag(
        &self,
        py: Python<'_>,
        var: PyBackedStr,
        flag: PyBackedStr,
        value: &Bound<'_, PyAny>,
        loginfo: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let info = LogInfo::read(loginfo)?;
        let op = info.op.as_deref().unwrap_or("set");
        self.store(py)
            .assign_flag(&var, &flag, from_python(value)?, info.origin(), op, info.detail.as_ref())
            .or_raise(py)
    }

    #[pyo3(signature = (var, flag, value, **loginfo))]
    fn appendVarFlag(
        &self,
        py: Python<'_>,
        var: PyBackedStr,
        flag: PyBackedStr,
        value: PyBackedStr,
        loginfo: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let info = LogInfo::read(loginfo)?;
        self.store(py).append_flag(&var, &flag, &value, info.origin()).or_raise(py)
    }

    #[pyo3(signature = (var, flag, value, **loginfo))]
    fn prependVarFlag(
        &self,
        py: Python<'_>,
        var: PyBackedStr,
        flag: PyBackedStr,
        value: PyBackedStr,
        loginfo: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let info = LogInfo::read(loginfo)?;
        self.store(py).prepend_flag(&var, &flag, &value, info.origin()).or_raise(py)
    }

    #[pyo3(signature = (var, flag, **loginfo))]
    fn delVarFlag(
        &self,
        py: Python<'_>,
        var: PyBackedStr,
        flag: PyBackedStr,
        loginfo: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let info = LogInfo::read(loginfo)?;
        self.store(py).del_flag(&var, &flag, info.origin());
        Ok(())
    }

    #[pyo3(signature = (var, flags, **loginfo))]
    fn setVarFlags(
        &self,
        py: Python<'_>,
        var: PyBackedStr,
        flags: &Bound<'_, PyDict>,
        loginfo: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let info = LogInfo::read(loginfo)?;
        // BitBake records this change only if it is told where it comes from.
        let origin = if loginfo.is_some() { info.origin() } else { Origin::Hidden };
        let mut list = Vec::with_capacity(flags.len());
        for (flag, value) in flags {
            list.push((flag.extract::<String>()?, from_python(&value)?));
        }
        self.store(py).set_flags(&var, list, origin);
        Ok(())
    }

    #[pyo3(signature = (var, expand=None, internalflags=Truth(false)))]
    fn getVarFlags<'py>(
        &self,
        py: Python<'py>,
        var: PyBackedStr,
        expand: Option<&Bound<'py, PyAny>>,
        internalflags: Truth,
    ) -> PyResult<Bound<'py, PyAny>> {
        let store = self.store(py);
        let flags = if internalflags.0 { store.get_flags_internal(&var) } else { store.get_flags(&var) };
        let Some(flags) = flags else { return Ok(py.None().into_bound(py)) };
        let expand = match expand {
            Some(expand) if expand.is_truthy()? => Some(expand),
            _ => None,
        };
        let dict = PyDict::new(py);
        for (flag, value) in &flags {
            match (expand, value) {
                (Some(expand), Value::Str(_)) if expand.contains(&**flag)? => {
                    let parsed =
                        store.expand_with_refs(value, Some(&format!("{var}[{flag}]"))).or_raise(py)?;
                    dict.set_item(&**flag, optional(py, parsed.value.as_ref())?)?;
                }
                _ => dict.set_item(&**flag, to_python(py, value)?)?,
            }
        }
        Ok(dict.into_any())
    }

    #[pyo3(signature = (var, **loginfo))]
    fn delVarFlags(
        &self,
        py: Python<'_>,
        var: PyBackedStr,
        loginfo: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let info = LogInfo::read(loginfo)?;
        self.store(py).del_flags(&var, info.origin());
        Ok(())
    }

    // --- expansion -------------------------------------------------------------------------------------------------------------

    #[pyo3(signature = (s, varname=None))]
    fn expand<'py>(
        &self,
        py: Python<'py>,
        s: &Bound<'py, PyAny>,
        varname: Option<PyBackedStr>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Ok(text) = s.extract::<PyBackedStr>() else { return Ok(s.clone()) };
        if !text.contains("${") {
            return Ok(s.clone());
        }
        let expanded = self.store(py).expand(&text, varname.as_deref()).or_raise(py)?;
        Ok(PyString::new(py, &expanded).into_any())
    }

    #[pyo3(signature = (s, varname=None))]
    fn expandWithRefs<'py>(
        slf: &Bound<'py, Self>,
        s: &Bound<'py, PyAny>,
        varname: Option<PyBackedStr>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let value = from_python(s)?;
        let parsed = slf.get().store(py).expand_with_refs(&value, varname.as_deref()).or_raise(py)?;
        parse_to_python(py, slf, varname.as_deref(), &parsed)
    }

    #[pyo3(signature = (variable, parents=Truth(false)))]
    fn expandVarref(&self, py: Python<'_>, variable: PyBackedStr, parents: Truth) -> PyResult<()> {
        let store = self.store(py);
        let keys = if parents.0 { store.keys().or_raise(py)? } else { store.local_keys() };
        store.expand_var_ref_in(&variable, &keys).or_raise(py)
    }

    #[pyo3(signature = (var, filter))]
    fn setVarFilter(&self, py: Python<'_>, var: PyBackedStr, filter: &Bound<'_, PyAny>) -> PyResult<()> {
        let filter = if filter.is_truthy()? { Some(from_python(filter)?) } else { None };
        self.store(py).set_filter(&var, filter);
        Ok(())
    }

    // --- overrides -------------------------------------------------------------------------------------------------------------

    fn hasOverrides(&self, py: Python<'_>, var: PyBackedStr) -> bool {
        self.store(py).has_overrides(&var)
    }

    fn need_overrides(&self, py: Python<'_>) -> PyResult<()> {
        self.store(py).need_overrides().or_raise(py).map(drop)
    }

    /// The list of overrides, weakest first; None while it has to be worked out again.
    #[getter]
    fn overrides<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.store(py).known_overrides() {
            Some(overrides) => Ok(PyList::new(py, overrides.list().iter().map(|name| &**name))?.into_any()),
            None => Ok(py.None().into_bound(py)),
        }
    }

    #[getter]
    fn overridesset<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        let overrides = self.store(py).need_overrides().or_raise(py)?;
        PySet::new(py, overrides.list().iter().map(|name| &**name))
    }

    /// The variants of every variable: lists of full name and suffix.
    #[getter]
    fn overridedata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, variants) in self.store(py).all_variants() {
            let variants = variants.iter().map(|(full, suffix)| vec![&**full, &**suffix]);
            dict.set_item(&*name, PyList::new(py, variants.collect::<Vec<_>>())?)?;
        }
        Ok(dict)
    }

    /// The variants of one variable, as in `overridedata`.
    fn _variants<'py>(&self, py: Python<'py>, var: PyBackedStr) -> PyResult<Bound<'py, PyList>> {
        let variants = self.store(py).variants(&var);
        PyList::new(py, variants.iter().map(|(full, suffix)| (&**full, &**suffix)).collect::<Vec<_>>())
    }

    // --- the store as a whole --------------------------------------------------------------------------------------------------

    fn createCopy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, DataSmart>> {
        wrap(py, &self.store(py).copy())
    }

    /// The names set since the last copy.
    fn localkeys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let keys = self.store(py).local_keys();
        PyList::new(py, keys.iter().map(|name| &**name))?.try_iter()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let keys = self.store(py).keys().or_raise(py)?;
        PyList::new(py, keys.iter().map(|name| &**name))?.try_iter()
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.store(py).keys().or_raise(py)?.len())
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(!self.store(py).keys().or_raise(py)?.is_empty())
    }

    fn __contains__(&self, py: Python<'_>, item: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(name) = item.extract::<PyBackedStr>() else { return Ok(false) };
        Ok(self.raw(py, &name)?.is_some())
    }

    fn __getitem__<'py>(&self, py: Python<'py>, item: PyBackedStr) -> PyResult<Bound<'py, PyAny>> {
        match self.raw(py, &item)? {
            Some(value) => to_python(py, &value),
            None => Err(PyKeyError::new_err(item.to_string())),
        }
    }

    fn __setitem__(&self, py: Python<'_>, var: PyBackedStr, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.setVar(py, var, value, None)
    }

    fn __delitem__(&self, py: Python<'_>, var: PyBackedStr) -> PyResult<()> {
        self.delVar(py, var, None)
    }

    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: PyBackedStr,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.raw(py, &key)? {
            Some(value) => to_python(py, &value),
            None => Ok(default.unwrap_or_else(|| py.None().into_bound(py))),
        }
    }

    fn keys<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        mapping_view(slf, "KeysView")
    }

    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        mapping_view(slf, "ItemsView")
    }

    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        mapping_view(slf, "ValuesView")
    }

    #[pyo3(signature = (*arguments))]
    fn pop<'py>(slf: &Bound<'py, Self>, arguments: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        mapping_method(slf, "pop", arguments, None)
    }

    #[pyo3(signature = (*arguments))]
    fn setdefault<'py>(
        slf: &Bound<'py, Self>,
        arguments: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        mapping_method(slf, "setdefault", arguments, None)
    }

    #[pyo3(signature = (*arguments, **keywords))]
    fn update<'py>(
        slf: &Bound<'py, Self>,
        arguments: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        mapping_method(slf, "update", arguments, keywords)
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast::<DataSmart>() else { return Ok(false) };
        let (one, two) = (self.store(py), other.get().store(py));
        if one.same(two) {
            return Ok(true);
        }
        let (mut names, mut others) = (one.keys().or_raise(py)?, two.keys().or_raise(py)?);
        names.sort();
        others.sort();
        if names != others {
            return Ok(false);
        }
        for name in &names {
            let (a, b) = (one.get_raw(name).or_raise(py)?, two.get_raw(name).or_raise(py)?);
            if a != b && !optional(py, a.as_ref())?.eq(optional(py, b.as_ref())?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// By identity of the store: two stores may hold the same now and not later.
    fn __hash__(&self, py: Python<'_>) -> usize {
        self.store(py).address()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        py.import("bb.data_smart")?.getattr("_reduce")?.call1((slf,))
    }

    /// Everything of one variable, for pickling: flags, the engine's own included.
    fn _all_names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.store(py).all_names().iter().map(|name| &**name))
    }

    /// Puts a variable in place that `getVarFlags(internalflags=True)` described, without any of the effects of setting one.
    fn _restore(
        &self,
        py: Python<'_>,
        var: PyBackedStr,
        flags: &Bound<'_, PyDict>,
        variants: Vec<(String, String)>,
    ) -> PyResult<()> {
        let mut list = Vec::with_capacity(flags.len());
        for (flag, value) in flags {
            list.push((flag.extract::<String>()?, from_python(&value)?));
        }
        self.store(py).restore(&var, list, variants);
        Ok(())
    }

    // --- history ---------------------------------------------------------------------------------------------------------------

    fn enableTracking(&self, py: Python<'_>) {
        self.store(py).set_tracking(true);
    }

    fn disableTracking(&self, py: Python<'_>) {
        self.store(py).set_tracking(false);
    }

    #[getter]
    fn _tracking(&self, py: Python<'_>) -> bool {
        self.store(py).tracking()
    }

    #[getter]
    fn varhistory<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        companion(slf, "VariableHistory")
    }

    #[getter]
    fn inchistory<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        companion(slf, "IncludeHistory")
    }

    fn _include_text(&self, py: Python<'_>) -> String {
        self.store(py).include_text()
    }

    fn _include_enter(&self, py: Python<'_>, file: PyBackedStr) {
        self.store(py).includes(|tree| tree.enter(&file));
    }

    fn _include_leave(&self, py: Python<'_>) {
        self.store(py).includes(|tree| tree.leave());
    }

    /// The recorded changes of a variable, as dictionaries.
    fn _history<'py>(&self, py: Python<'py>, var: PyBackedStr) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for event in self.store(py).history(&var) {
            let dict = PyDict::new(py);
            dict.set_item("variable", &*var)?;
            dict.set_item("op", &*event.op)?;
            dict.set_item("file", &*event.file)?;
            dict.set_item("line", event.line)?;
            dict.set_item("detail", &*event.detail)?;
            if let Some(flag) = &event.flag {
                dict.set_item("flag", &**flag)?;
            }
            if let Some(function) = &event.function {
                dict.set_item("func", &**function)?;
            }
            list.append(dict)?;
        }
        Ok(list)
    }

    /// Adds a change to the record, or replaces all of a variable's.
    #[pyo3(signature = (var, events, replace=false))]
    fn _record(
        &self,
        py: Python<'_>,
        var: PyBackedStr,
        events: Vec<Bound<'_, PyDict>>,
        replace: bool,
    ) -> PyResult<()> {
        let mut list = Vec::with_capacity(events.len());
        for event in &events {
            let text = |key: &str| -> PyResult<Option<Rc<str>>> {
                match event.get_item(key)? {
                    Some(value) => Ok(Some(value.str()?.to_string_lossy().into())),
                    None => Ok(None),
                }
            };
            list.push(rbake::data::Event {
                op: text("op")?.unwrap_or_else(|| "set".into()),
                file: text("file")?.unwrap_or_default(),
                line: match event.get_item("line")? {
                    Some(line) => line.extract().unwrap_or_default(),
                    None => 0,
                },
                function: text("func")?,
                flag: text("flag")?,
                detail: text("detail")?.unwrap_or_default(),
            });
        }
        self.store(py).edit_history(|history| {
            if replace {
                history.forget(&var);
            }
            for event in list {
                history.record(&var, event);
            }
        });
        Ok(())
    }

    fn get_hash<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("bb.data_smart")?.getattr("_get_hash")?.call1((slf,))
    }

    // --- attributes that metadata sets -----------------------------------------------------------------------------------------

    fn __getattr__<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let attributes =
            with_wrapper(slf.get().store(py), |w| w.attributes.as_ref().map(|a| a.clone_ref(py)));
        let found = match attributes.flatten() {
            Some(attributes) => attributes.bind(py).get_item(name)?,
            None => None,
        };
        found.ok_or_else(|| {
            let class = slf.get_type().name().map(|name| name.to_string()).unwrap_or_default();
            PyAttributeError::new_err(format!("'{class}' object has no attribute '{name}'"))
        })
    }

    fn __setattr__(
        slf: &Bound<'_, Self>,
        name: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        Self::attributes(slf)?.set_item(name, value)
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let attributes = Self::attributes(slf)?;
        if !attributes.contains(name)? {
            return Err(PyAttributeError::new_err(name.to_string()));
        }
        attributes.del_item(name)
    }

    #[getter(__dict__)]
    fn attributes<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let py = slf.py();
        let store = slf.get().store(py);
        if with_wrapper(store, |_| ()).is_none() {
            register(slf)?;
        }
        let new = PyDict::new(py);
        with_wrapper(store, |wrapper| {
            wrapper.attributes.get_or_insert_with(|| new.unbind()).clone_ref(py).into_bound(py)
        })
        .ok_or_else(|| PyTypeError::new_err("the store has no Python object"))
    }
}

impl DataSmart {
    /// The unexpanded value; None also where None was set on purpose.
    fn raw(&self, py: Python<'_>, name: &str) -> PyResult<Option<Value>> {
        let value = self.store(py).get_raw(name).or_raise(py)?;
        Ok(value.filter(|value| *value != Value::None))
    }
}
