/**
 * Symbolic dimensions. A `Dim` is a number or a symbol; a symbol stands for a polynomial in named sizes, kept in a
 * canonical form, so that equal expressions are the same symbol and rules may compare dimensions with `===`.
 */
import { ShapeError } from "./errors.ts";

/** The size of one axis: a number, or a symbol whose number is known only when the graph runs. */
export type Dim = number | symbol;

/** An indivisible part of an expression: a named size, or the floor of a quotient. */
type Atom =
  | { readonly key: string; readonly name: string }
  | { readonly key: string; readonly quotientOf: Polynomial; readonly divisor: number };

interface Term {
  readonly coefficient: number;
  /** Sorted by key; repeated for powers. */
  readonly atoms: readonly Atom[];
}

type Polynomial = readonly Term[];

const polynomials = new Map<symbol, Polynomial>();
const symbols = new Map<string, symbol>();

/**
 * A named size, known only when a graph runs: `ng.dim("batch")`. The same name gives the same symbol.
 * Throws ShapeError for a name that is not an identifier.
 */
export function dim(name: string): symbol {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new ShapeError(
      `dim: expected a name of letters, digits and "_"; received ${JSON.stringify(name)}.`,
    );
  }
  return intern([{ coefficient: 1, atoms: [{ key: name, name }] }]) as symbol;
}

function termKey(term: Term): string {
  return term.atoms.map((atom) => atom.key).join("*");
}

function polynomialKey(terms: Polynomial): string {
  return terms
    .map((term) => {
      if (term.atoms.length === 0) return String(term.coefficient);
      return term.coefficient === 1 ? termKey(term) : `${term.coefficient}*${termKey(term)}`;
    })
    .join("+")
    .replaceAll("+-", "-");
}

/** Collects like terms, orders them, and returns a number when no name is left. */
function intern(terms: Polynomial): Dim {
  const collected = new Map<string, Term>();
  for (const term of terms) {
    const key = termKey(term);
    const coefficient = (collected.get(key)?.coefficient ?? 0) + term.coefficient;
    collected.set(key, { coefficient, atoms: term.atoms });
  }
  const canonical = [...collected.entries()]
    .filter(([, term]) => term.coefficient !== 0)
    .sort(([a], [b]) => (a < b ? 1 : -1))
    .map(([, term]) => term);
  const unsafe = canonical.find((term) => !Number.isSafeInteger(term.coefficient));
  if (unsafe)
    throw new ShapeError(
      `A dimension has the coefficient ${unsafe.coefficient}, too large to count exactly.`,
    );
  if (canonical.every((term) => term.atoms.length === 0)) return canonical[0]?.coefficient ?? 0;
  const key = polynomialKey(canonical);
  let symbol = symbols.get(key);
  if (!symbol) {
    symbol = Symbol(key);
    symbols.set(key, symbol);
    polynomials.set(symbol, canonical);
  }
  return symbol;
}

function terms(d: Dim): Polynomial {
  if (typeof d === "number") return d === 0 ? [] : [{ coefficient: d, atoms: [] }];
  const polynomial = polynomials.get(d);
  if (!polynomial) {
    throw new ShapeError(`${String(d)} is not a dimension. Make symbolic dimensions with ng.dim(name).`);
  }
  return polynomial;
}

export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a + b;
  return intern([...terms(a), ...terms(b)]);
}

export function subDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return addDims(a, mulDims(b, -1));
}

export function mulDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a * b;
  const product: Term[] = [];
  for (const x of terms(a)) {
    for (const y of terms(b)) {
      const atoms = [...x.atoms, ...y.atoms].sort((p, q) => (p.key < q.key ? -1 : p.key > q.key ? 1 : 0));
      product.push({ coefficient: x.coefficient * y.coefficient, atoms });
    }
  }
  return intern(product);
}

/** ⌊a / divisor⌋; an exact division of every term stays a polynomial. */
export function floorDivDim(a: Dim, divisor: number): Dim {
  if (typeof a === "number") return Math.floor(a / divisor);
  if (divisor === 1) return a;
  const polynomial = terms(a);
  if (polynomial.every((term) => term.coefficient % divisor === 0)) {
    return intern(polynomial.map((term) => ({ ...term, coefficient: term.coefficient / divisor })));
  }
  const key = `floor((${polynomialKey(polynomial)})/${divisor})`;
  return intern([{ coefficient: 1, atoms: [{ key, quotientOf: polynomial, divisor }] }]);
}

/** a / b when it comes out even for every size, else undefined: what `reshape([-1, …])` needs. */
export function exactQuotient(a: Dim, b: Dim): Dim | undefined {
  if (a === b) return 1;
  if (typeof a === "number" && typeof b === "number") return b !== 0 && a % b === 0 ? a / b : undefined;
  const divisor = terms(b);
  const [only] = divisor;
  if (divisor.length !== 1 || !only) return undefined;
  const quotient: Term[] = [];
  for (const term of terms(a)) {
    if (term.coefficient % only.coefficient !== 0) return undefined;
    const atoms = [...term.atoms];
    for (const atom of only.atoms) {
      const at = atoms.findIndex((candidate) => candidate.key === atom.key);
      if (at < 0) return undefined;
      atoms.splice(at, 1);
    }
    quotient.push({ coefficient: term.coefficient / only.coefficient, atoms });
  }
  return intern(quotient);
}

/** Sizes by name, as found in the concrete inputs of one call. */
export type DimBindings = ReadonlyMap<string, number>;

/** The number a dimension has under `bindings`. Throws ShapeError for a name without a size. */
export function evaluateDim(d: Dim, bindings: DimBindings): number {
  if (typeof d === "number") return d;
  return evaluatePolynomial(terms(d), bindings);
}

function evaluatePolynomial(polynomial: Polynomial, bindings: DimBindings): number {
  let sum = 0;
  for (const term of polynomial) {
    let product = term.coefficient;
    for (const atom of term.atoms) product *= evaluateAtom(atom, bindings);
    sum += product;
  }
  return sum;
}

function evaluateAtom(atom: Atom, bindings: DimBindings): number {
  if ("quotientOf" in atom) {
    return Math.floor(evaluatePolynomial(atom.quotientOf, bindings) / atom.divisor);
  }
  const size = bindings.get(atom.name);
  if (size === undefined) {
    throw new ShapeError(
      `The symbolic dimension "${atom.name}" has no size: no input of this call carries it.`,
    );
  }
  return size;
}

/** The name when `d` is a plain named size, else undefined. */
export function dimName(d: Dim): string | undefined {
  if (typeof d === "number") return undefined;
  const [term, more] = terms(d);
  const [atom] = term?.atoms ?? [];
  if (!term || more || term.coefficient !== 1 || term.atoms.length !== 1 || !atom || !("name" in atom)) {
    return undefined;
  }
  return atom.name;
}

/** How a dimension reads in messages, printed graphs and saved models: `32`, `batch`, `2*batch+1`. */
export function formatDim(d: Dim): string {
  return typeof d === "number" ? String(d) : polynomialKey(terms(d));
}

/**
 * Parses what `formatDim` wrote. Throws ShapeError for anything else: saved models are read through it.
 */
export function parseDim(text: string): Dim {
  let at = 0;
  const fail = (): never => {
    throw new ShapeError(
      `Expected a dimension such as 32, batch or 2*batch+1; received ${JSON.stringify(text)}.`,
    );
  };
  const accept = (pattern: RegExp): string | undefined => {
    const match = pattern.exec(text.slice(at));
    if (match?.index !== 0) return undefined;
    at += match[0].length;
    return match[0];
  };
  const factor = (depth: number): Dim => {
    if (depth > 20) fail();
    const number = accept(/^-?\d{1,16}/);
    if (number !== undefined) return Number(number);
    if (accept(/^floor\(\(/)) {
      const inner = sum(depth + 1);
      const divisor = accept(/^\)\//) && accept(/^\d{1,16}/);
      if (!divisor || Number(divisor) === 0 || !accept(/^\)/)) return fail();
      return floorDivDim(inner, Number(divisor));
    }
    const name = accept(/^[A-Za-z_][A-Za-z0-9_]*/);
    return name === undefined ? fail() : dim(name);
  };
  const product = (depth: number): Dim => {
    let value = accept(/^-(?=[A-Za-z_])/) ? mulDims(-1, factor(depth)) : factor(depth);
    while (accept(/^\*/)) value = mulDims(value, factor(depth));
    return value;
  };
  const sum = (depth: number): Dim => {
    let value = product(depth);
    for (;;) {
      if (accept(/^\+/)) value = addDims(value, product(depth));
      else if (text[at] === "-") value = addDims(value, product(depth));
      else return value;
    }
  };
  if (text.length > 1000) fail();
  const value = sum(0);
  const exact = typeof value === "symbol" || Number.isSafeInteger(value);
  return exact && at === text.length ? value : fail();
}
