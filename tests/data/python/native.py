#!/usr/bin/env python3
"""Makes native.jsonl: inline expressions with the values that CPython and BitBake give them.

Run it with BitBake's lib directory in PYTHONPATH and a fixed PYTHONHASHSEED. It prints one JSON list per line:
code, str() of the value, and whether the native evaluator has to know it; if not, it must leave it to CPython and the value is
null. With the argument "functions" it prints the store and the functions instead.
"""

import builtins
import json
import os
import sys

import bb.parse
import bb.utils

VARIABLES = {
    "A": "a b c",
    "EMPTY": "",
    "ARCH": "x86_64",
    "PV": "1.2.3+git",
    "BLANKS": "  lead  and\ttrail \n",
    "NAME": "foo.bar_baz-1",
    "FIVE": "5",
    "PATHS": "/usr/lib/../bin//x",
    "LIST": "a:b::c",
    "YES": "Yes",
    "NO": "n",
    "UMLAUT": "ü é",
    "QUOTED": "it's \"q\"",
    "FILE": "/layer/foo-bar_1.0_r2.bb",
    "DEPS": "x (>= 1) y z (= 2)",
    "d": "not the store",
    "len": "not the function",
}
FLAGS = {("A", "flag"): "value", ("A", "list"): ["x", "y"], ("A", "one"): 1}


class Store:
    """What a native expression may do with `d`."""

    def getVar(self, name, expand=True):
        return VARIABLES.get(name)

    def getVarFlag(self, name, flag, expand=True):
        value = FLAGS.get((name, flag))
        return list(value) if isinstance(value, list) else value

    def expand(self, text):
        return text.replace("${A}", VARIABLES["A"])

    def __getitem__(self, name):
        return VARIABLES[name]

    def __contains__(self, name):
        return name in VARIABLES


STORE = Store()


class Names(dict):
    """Bare names: the context and Python's own come first, then the store."""

    taken = {name for name in dir(builtins) if not name.startswith("_")} | {"oe", "time", "other"}

    def __missing__(self, name):
        value = None if name in self.taken else STORE.getVar(name)
        if value is None:
            raise KeyError(name)
        return value


NATIVE = """
None
True
12
-3
'a' "b"
'%s' % None
ARCH
PV + '-' + FIVE
d.getVar('A')
d.getVar('A', True)
d.getVar('A', False)
d.getVar('A', 1)
d.getVar('A', expand=False)
d.getVar('UNSET')
d.getVar('UNSET') or 'default'
d.getVar('EMPTY') or d.getVar('UNSET') or ''
d.getVar('A') and 'set'
d.getVar('UNSET') and nosuchname
d.getVar('d') + d.getVar('len')
d.getVarFlag('A', 'flag')
d.getVarFlag('A', 'flag', False)
d.getVarFlag('A', 'one')
d.getVarFlag('A', 'list', False)
d.getVarFlag('A', 'nosuch') or 'none'
d.expand('${A} x')
d.expand('plain')
d['ARCH']
'A' in d
'UNSET' in d
' (%s)' % ARCH if 'ARCH' in d else ''
bb.utils.contains('A', 'b', 'yes', 'no', d)
bb.utils.contains('A', 'c a', 'yes', 'no', d)
bb.utils.contains('A', 'b x', 'yes', 'no', d)
bb.utils.contains('A', '', 'yes', 'no', d)
bb.utils.contains('A', ['a', 'b'], 'yes', 'no', d)
bb.utils.contains('A', ['a b'], 'yes', 'no', d)
bb.utils.contains('A', [], 'yes', 'no', d)
bb.utils.contains('A', {'a', 'b'}, 'yes', 'no', d)
bb.utils.contains('A', ('a', 1), 'yes', 'no', d)
bb.utils.contains('EMPTY', '', 'yes', 'no', d)
bb.utils.contains('UNSET', 'a', 'yes', 'no', d)
bb.utils.contains('BLANKS', 'and trail', True, False, d)
bb.utils.contains('A', 'b', d.getVar('ARCH'), d.getVar('PV'), d)
bb.utils.contains('UMLAUT', 'é', 1, 0, d)
bb.utils.contains(variable='A', checkvalues='a', truevalue=1, falsevalue=2, d=d)
bb.utils.contains   (  "A", "a",   'y', 'n', d)
bb.utils.contains_any('A', 'x b', 'yes', 'no', d)
bb.utils.contains_any('A', 'x y', 'yes', 'no', d)
bb.utils.contains_any('A', ['x', 'c'], 'yes', 'no', d)
bb.utils.contains_any('A', '', 'yes', 'no', d)
bb.utils.filter('A', 'c x a', d)
bb.utils.filter('A', ['c', 'a', 'c'], d)
bb.utils.filter('UNSET', 'a', d)
bb.utils.filter('A', 'a ' + ' '.join('c' for n in '12'), d)
bb.utils.filter_string('a b c', 'b d')
bb.utils.to_boolean(d.getVar('YES'))
bb.utils.to_boolean(d.getVar('NO'))
bb.utils.to_boolean(d.getVar('UNSET'))
bb.utils.to_boolean(d.getVar('UNSET'), True)
bb.utils.to_boolean('', default='x')
bb.utils.to_boolean(3)
bb.utils.explode_deps(d.getVar('DEPS'))
bb.parse.vars_from_file(d.getVar('FILE', False), d)[0] or 'defaultpkgname'
bb.parse.vars_from_file(d.getVar('FILE', False), d)
bb.parse.vars_from_file('a.bb', d)
bb.parse.vars_from_file('/x/a_b.bbappend', d)[2] or 'r0'
bb.parse.vars_from_file('a.inc', d)
bb.parse.vars_from_file('', d)
bb.utils.which('/nosuch:/proc', 'self')
bb.utils.which('/nosuch', 'self')
d.getVar('ARCH').replace('_', '-')
d.getVar('PV').split('.')[0]
d.getVar('PV').split('.')[0:2]
'.'.join(d.getVar('PV').split('.')[0:2])
d.getVar('PV').split('+')[1]
d.getVar('A').split()[1:]
d.getVar('BLANKS').split()
d.getVar('BLANKS').split(None, 1)
d.getVar('BLANKS').split(maxsplit=1)
d.getVar('BLANKS').rsplit(None, 1)
d.getVar('LIST').split(':')
d.getVar('LIST').split(':', 1)
d.getVar('LIST').rsplit(':', 1)
d.getVar('LIST').split('::')
d.getVar('BLANKS').strip()
d.getVar('BLANKS').lstrip()
d.getVar('BLANKS').rstrip()
'xxaxx'.strip('x')
'-a-'.strip('+-')
'abc'.upper()
'ABC'.lower()
'a-b c'.title()
'aBC'.capitalize()
'abc'.startswith('ab')
'abc'.startswith(('x', 'a'))
'abc'.endswith('bc')
'abc'.find('c')
'abc'.find('x')
'éa'.find('a')
'abcabc'.rfind('b')
'banana'.count('an')
'abc'.count('')
'a=b=c'.partition('=')
'a=b=c'.rpartition('=')
'abc'.partition('x')
'abc'.rpartition('x')
'python3-foo'.removeprefix('python3-')
'foo.tar'.removesuffix('.tar')
'7'.zfill(3)
'-7'.zfill(4)
'a'.ljust(3) + '|' + 'b'.rjust(3)
'a\\nb\\r\\nc\\x0bd'.splitlines()
'12'.isdigit()
''.isdigit()
'aB1'.isalnum()
'ab'.islower()
'A1'.isupper()
' \\t'.isspace()
'aaa'.replace('a', 'b', 2)
'abc'.replace('x', 'y')
'a%sb%d' % ('x', 5)
'%s' % 'x'
'%s' % ['x', 1]
'%s-%s' % (None, True)
'%5s|%-5s|%05d|%x|%+d' % ('a', 'b', -42, 255, 3)
'%(a)s' % {'a': 1}
'100%%' % ()
'%r' % "it's"
'w%dT%d.zstdio' % (int('3'), int(' 12 '))
'{}-{}'.format('a', 1)
'{1}{0}{{}}'.format('a', 'b')
'{x}'.format(x='y')
f"{ARCH}-{5}-{'q'!r}-{None}"
f"{{x}}" 'y'
1 + 2 * 3 - 7 // 2 % 3
-7 // 2
-7 % 3
7 % -3
'ab' * 3
[1] * 2 + [2]
(1, 2) + (3,)
True + 1
not ''
not 5
1 < 2 < 3
1 < 3 < 2
'a' < 'b'
'B' < 'a'
[1, 2] < [1, 3]
1 == True
'1' == 1
None is None
d.getVar('UNSET') is None
d.getVar('A') is not None
'a' in 'abc'
'a' in d.getVar('A').split()
'x' not in ['y']
1 in {1: 2}
'k' in {'k'}
'a' if d.getVar('FIVE') == '5' else 'b'
['', '-gnu'][(d.getVar('EMPTY') or '') != '']
['a', 'b'][d.getVar('ARCH') == 'x86_64']
['', ''][int(d.getVar('UNSET') or 0) > 0]
{'a': 'b', 'c': 'd'}.get('c', 'x')
{'a': 'b'}.get('z')
{'a': 1}['a']
{'a': 1, 'b': [2, None]}
{1: 'x', None: 'y', ('t', 1): 'z'}
'abc'[1]
'abc'[-1]
'abcdef'[1:4]
'abcdef'[-2:]
'abcdef'[::-1]
'abcdef'[4:0:-2]
'äöü'[1:]
'äöü'[::-1]
[1, 2, 3][-1]
(1, 2, 3)[1:]
()
(1,)
[]
set()
{'one'}
['a', "it's", 'q"', '\\n\\\\']
str(5) + str(None) + str(True) + str(['a'])
int('5') + int(True)
bool([]) or bool('x')
len('abc') + len([1]) + len({'a', 'b'}) + len({'a': 1})
len('äö')
sorted('b a c'.split())
sorted({'b', 'a'})
sorted(['b', 'a'], reverse=True)
sorted(['bb', 'a'], key=lambda x: len(x))
list('ab') + list((1, 2))
tuple(['a'])
' '.join(sorted(set(d.getVar('A').split()) - {'b'}))
sorted(set('ab') | set('bc'))
sorted(set('ab') & set('bc'))
{'a', 'b'} == {'b', 'a'}
set('ab').issubset('abc')
set('ab').isdisjoint({'c'})
min(3, 1, 2)
max('b', 'a')
max([1, 5, 3])
sum([1, 2])
any(x == 'b' for x in d.getVar('A').split())
any(x or nosuchname for x in ['a', ''])
any(['', 'x'])
[x for x in d.getVar('A').split() if x != 'b']
' '.join([x + ':do_x' for x in d.getVar('A').split()])
' '.join('%s_%s' % (x, y) for x in 'ab' for y in '12')
{x: len(x) for x in ['a', 'bb']}
sorted({x.upper() for x in 'aab'})
' '.join(map(lambda s: 'x-' + s, (d.getVar('A') or '').split()))
' '.join(filter(lambda f: not f.startswith('b'), d.getVar('A').split()))
list(map(str, [1, 2]))
list(map(os.path.basename, ['/a/b', 'c']))
list(enumerate('ab'))
list(zip('ab', [1, 2]))
list(reversed([1, 2]))
list(range(3))
[i for i in range(1, 3)]
isinstance('a', str) and isinstance(True, int) and not isinstance(None, (str, list))
type('a') is str
repr('a')
os.path.basename(d.getVar('FILE'))
os.path.dirname(d.getVar('FILE'))
os.path.join('a', 'b', '/c', 'd')
os.path.normpath(d.getVar('PATHS'))
os.path.splitext('a.tar.gz')[0]
os.path.split('/a/b')
os.path.relpath('/a/b', '/a/c/d')
os.path.abspath('/a/../b')
os.path.isabs('a')
os.path.exists('/proc/self')
os.path.exists('/nosuch')
os.path.isdir('/proc') and not os.path.isfile('/proc')
one(d)
two('p', d)
two('p', d, third='t')
two(first='f', d=d)
chain('armv7', d)
chain('sparc', d)
loop(d)
nested(d)
early(d) or 'nothing'
mutate(d)
aliased()
list(generated(d))
' '.join(generated(d))
counted()
rest('a', 'b', 'c')
attempt(d)
shadow(d)
imported(d)
unpacked()
lookup('b')
lookup('z')
fstring(d)
recursive(5)
other(d)
one(d) if d.getVar('A') else nosuchfunction(d)
"""

# Values that depend on a random seed or on CPython's version, things that raise, and what is never tried.
FOREIGN = """
nosuchname
oe
d
d.nosuch()
d.getVar()
d.getVar(None)
d.setVar('A', 'x')
d['UNSET']
len
str
bb.utils
bb.utils.nosuch('x')
bb.utils.contains('A', 'b', 'yes', 'no')
bb.utils.contains('A', 'b', 'yes', 'no', 'd')
bb.utils.contains('A', 5, 'yes', 'no', d)
bb.utils.contains('A', [['a']], 'yes', 'no', d)
bb.utils.to_boolean('maybe')
bb.parse.vars_from_file('a_b_c_d.bb', d)
set('ab')
' '.join({'a', 'b'})
list({'a', 'b'})
[x for x in {'a', 'b'}]
map(str, [1])
generated(d)
(x for x in 'a')
reversed('ab')
range(3)
{'a': 1}.items()
['ü']
repr('ü')
'ü'.upper()
'a' + 1
'a' < 1
1 // 0
'%d' % 'a'
'%s %s' % 'a'
'%s' % ('a', 'b')
'{}{}'.format('a')
[][0]
{}['a']
'abc'.index('x')
'abc'.replace('', '-')
'a'.nosuch()
None.split()
d.getVar('UNSET').split()
int('x')
int('1_0')
1.5
1 / 2
2 ** 3
9223372036854775807 + 1
b'a'
'a' * 100000000
foo = 5
'abc
1 +
(x := 5)
lambda: 1
__import__('os')
open('/dev/null')
print('x')
os.environ.get('HOME')
time.time()
eval('1')
getattr(d, 'getVar')('A')
[A for x in 'a']
[x for x in 'ab' if ARCH]
sorted(['a', 1])
sorted({'b', 'a'}, key=lambda x: 1)
max([])
raises(d)
poisoned(d)
unbound(d)
closure(d)
changed_default()
forever()
deep(500)
two()
two('a', d, 'b', 'c')
two('a', d, fourth=1)
"""

FUNCTIONS = {
    "one": "def one(d):\n    return d.getVar('ARCH')\n",
    "two": "def two(first, d, third='default'):\n    '''Text.'''\n    return first + third\n# a comment behind\n\n",
    "chain": "def chain(arch, d):\n    if arch.startswith('arm'):\n        return 'arm'\n    elif arch in ['sparc', 'mips']:\n"
    "        return arch.upper()\n    else:\n        return None\n",
    "loop": "def loop(d):\n    found = []\n    for word in (d.getVar('A') or '').split():\n        if word == 'b':\n            continue\n"
    "        found.append(word + '!')\n    else:\n        found += ['end']\n    return ' '.join(found)\n",
    "nested": "def nested(d):\n    return chain(one(d), d) or two('x', d)\n",
    "early": "def early(d):\n    for x in 'abc':\n        if x == 'b':\n            return\n",
    "mutate": "def mutate(d):\n    seen = {}\n    words = set()\n    for n, word in enumerate(['x', 'y', 'x']):\n        seen[word] = n\n"
    "        words.add(word)\n    words.discard('y')\n    return [sorted(words), seen, len(seen)]\n",
    "aliased": "def aliased():\n    a = [1]\n    b = a\n    b.append(2)\n    c = a[:]\n    c.append(3)\n    a += [4]\n    return a, b, c\n",
    "generated": "def generated(d):\n    for word in d.getVar('A').split():\n        yield word\n    yield from ['y', 'z']\n",
    "counted": "def counted():\n    n = 0\n    while True:\n        n += 1\n        if n > 4:\n            break\n    return n\n",
    "rest": "def rest(first, *others):\n    return first, others\n",
    "attempt": "def attempt(d):\n    try:\n        value = int(d.getVar('FIVE'))\n    except ValueError:\n        value = 0\n    else:\n"
    "        value += 1\n    return value\n",
    "shadow": "def shadow(d):\n    os = d.getVar('ARCH')\n    if 'x86' in os:\n        return os.replace('_', '')\n    return os\n",
    "imported": "def imported(d):\n    import os.path\n    from os.path import join as glue\n    return glue(os.path.dirname('/a/b'), 'c')\n",
    "unpacked": "def unpacked():\n    (a, b), c = ('x', 'y'), 'z'\n    a, b = b, a\n    return a + b + c\n",
    "lookup": "def lookup(key):\n    table = {'a': '1', 'b': '2'}\n    return table[key] if key in table else table.get('c', 'none')\n",
    "fstring": "def fstring(d):\n    name = d.getVar('NAME')\n    return f'{name}/{name!r}/{len(name)}'\n",
    "recursive": "def recursive(n):\n    return 1 if n < 2 else n * recursive(n - 1)\n",
    "other": "def other(d):\n    return 'function, not variable'\n",
    "raises": "def raises(d):\n    raise ValueError('x')\n",
    "poisoned": "def poisoned(d):\n    global state\n    return 'x'\n",
    "unbound": "def unbound(d):\n    if d.getVar('EMPTY'):\n        x = 1\n    return x\n",
    "closure": "def closure(d):\n    def inner():\n        return 1\n    return inner()\n",
    "changed_default": "def changed_default(seen=[]):\n    seen.append(1)\n    return seen\n",
    "forever": "def forever(n=0):\n    while n < 10000000:\n        n += 1\n    return n\n",
    "deep": "def deep(n):\n    return 0 if n == 0 else deep(n - 1)\n",
}


def value_of(code):
    context = {"os": os, "bb": bb, "d": STORE, "time": __import__("time")}
    for source in FUNCTIONS.values():
        exec(source, context)
    try:
        value = str(eval(compile(code.strip(), "x", "eval"), context, Names(d=STORE)))
        return None if " at 0x" in value or value.startswith("<") or len(value) > 5000 else value
    except Exception:
        return None


def main():
    for listed, native in ((NATIVE, True), (FOREIGN, False)):
        for code in listed.strip().split("\n"):
            value = value_of(code) if native else None
            if native and value is None:
                sys.exit("no value: " + code)
            print(json.dumps([code, value, native], ensure_ascii=False))


if __name__ == "__main__":
    if sys.argv[1:] == ["functions"]:
        print(json.dumps([VARIABLES, FUNCTIONS], ensure_ascii=False, indent=1))
    else:
        main()
