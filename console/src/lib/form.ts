// A form made from a JSON Schema, as far as forms go: what has no field of its own is edited as JSON.

export interface Schema {
  $ref?: string;
  title?: string;
  description?: string;
  type?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  examples?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  additionalProperties?: boolean | Schema;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  format?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minItems?: number;
  maxItems?: number;
  'x-workload'?: string;
}

export type FieldType = 'text' | 'long' | 'number' | 'integer' | 'boolean' | 'choice' | 'list' | 'lines' | 'object' | 'json';

export interface Field {
  type: FieldType;
  schema: Schema;
  nullable: boolean;
}

export type Schemas = Record<string, Schema>;

export interface KindSchema {
  kind: string;
  params: Schema;
}

/** Follow a reference; what stands beside it goes before what it leads to. */
export function resolve(schema: Schema, all: Schemas): Schema {
  if (!schema.$ref) return schema;
  const {$ref, ...beside} = schema;
  return {...resolve(all[$ref.split('/').pop() ?? ''] ?? {}, all), ...beside};
}

/** Say which field edits a value of the schema. */
export function fieldOf(given: Schema, all: Schemas): Field {
  const schema = resolve(given, all);
  const options = schema.anyOf ?? schema.oneOf;
  if (options) {
    const real = options.map((option) => resolve(option, all)).filter((option) => option.type !== 'null');
    const nullable = real.length < options.length;
    const {anyOf: _any, oneOf: _one, ...beside} = schema;
    // A number that may also come as a text is a number for people.
    const [first] = real;
    if (first && (real.length === 1 || (/number|integer/.test(first.type ?? '') && real[1]?.type === 'string'))) {
      return {...fieldOf({...first, ...beside}, all), nullable};
    }
    return {type: 'json', schema, nullable};
  }
  return {type: typeOf(schema, all), schema, nullable: false};
}

function typeOf(schema: Schema, all: Schemas): FieldType {
  if (schema.enum) return 'choice';
  switch (schema.type) {
    case 'string':
      return (schema.maxLength ?? 0) > 300 ? 'long' : 'text';
    case 'number':
    case 'integer':
    case 'boolean':
      return schema.type;
    case 'array': {
      const item = schema.items ? fieldOf(schema.items, all) : undefined;
      if (!item || item.type === 'json') return 'json';
      return item.type === 'text' || item.type === 'long' ? 'lines' : 'list';
    }
    case 'object':
      return schema.properties ? 'object' : 'json';
    default:
      return 'json';
  }
}

/** Return what a form begins with. Undefined: left out, so that the default of the API counts. */
export function initial(schema: Schema, all: Schemas): unknown {
  const field = fieldOf(schema, all);
  if (field.schema.default !== undefined) return structuredClone(field.schema.default);
  if (field.nullable) return undefined;
  switch (field.type) {
    case 'object': {
      const required = field.schema.required ?? [];
      const given = Object.entries(field.schema.properties ?? {})
        .filter(([name, part]) => required.includes(name) || part.default !== undefined)
        .map(([name, part]) => [name, initial(part, all)]);
      return Object.fromEntries(given.filter(([, value]) => value !== undefined));
    }
    case 'list':
    case 'lines':
      return [];
    case 'choice':
      return field.schema.enum?.[0];
    case 'boolean':
      return false;
    case 'text':
    case 'long':
      return '';
    default:
      return undefined;
  }
}

/** The bounds of a field: names of messages, with their values. */
export function bounds(schema: Schema): [string, number | string][] {
  const found: [string, number | string | undefined][] = [
    ['bound.minLength', schema.minLength === 1 ? undefined : schema.minLength],
    ['bound.maxLength', schema.maxLength],
    ['bound.minimum', schema.minimum],
    ['bound.above', schema.exclusiveMinimum],
    ['bound.maximum', schema.maximum],
    ['bound.below', schema.exclusiveMaximum],
    ['bound.minItems', schema.minItems],
    ['bound.maxItems', schema.maxItems],
  ];
  return found.filter((bound): bound is [string, number | string] => bound[1] !== undefined && bound[1] !== 0);
}

/** What is wrong with a value, as pointers with names of messages: what can be said before the API is asked. */
export function problems(value: unknown, schema: Schema, all: Schemas, pointer = ''): Record<string, string> {
  const field = fieldOf(schema, all);
  if (value === undefined || value === null) return field.nullable ? {} : {[pointer]: 'form.required'};
  const {schema: part} = field;
  const found: Record<string, string> = {};
  const length = typeof value === 'string' ? [...value].length : 0;
  switch (field.type) {
    case 'text':
    case 'long':
      if (length < (part.minLength ?? 0)) found[pointer] = length ? 'form.tooShort' : 'form.required';
      else if (length > (part.maxLength ?? Infinity)) found[pointer] = 'form.tooLong';
      break;
    case 'number':
    case 'integer': {
      const number = Number(value);
      if (!Number.isFinite(number) || (field.type === 'integer' && !Number.isInteger(number))) {
        found[pointer] = 'form.notANumber';
      } else if (
        number < (part.minimum ?? -Infinity) ||
        number > (part.maximum ?? Infinity) ||
        number <= (part.exclusiveMinimum ?? -Infinity) ||
        number >= (part.exclusiveMaximum ?? Infinity)
      ) {
        found[pointer] = 'form.outOfBounds';
      }
      break;
    }
    case 'list':
    case 'lines': {
      const items = value as unknown[];
      if (items.length < (part.minItems ?? 0) || items.length > (part.maxItems ?? Infinity)) {
        found[pointer] = 'form.count';
      }
      items.forEach((item, index) => Object.assign(found, problems(item, part.items ?? {}, all, `${pointer}/${index}`)));
      break;
    }
    case 'object':
      for (const [name, property] of Object.entries(part.properties ?? {})) {
        const inner = (value as Record<string, unknown>)[name];
        if (inner === undefined && !part.required?.includes(name)) continue;
        Object.assign(found, problems(inner, property, all, `${pointer}/${name}`));
      }
      break;
  }
  return found;
}

/** Find what each kind takes, in the API's own document. */
export function kindsOf(document: {components?: {schemas?: Schemas}}): {kinds: KindSchema[]; schemas: Schemas} {
  const schemas = document.components?.schemas ?? {};
  const kinds = (schemas.SubmitRequest?.oneOf ?? []).map((option) => ({
    kind: String(option.properties?.kind?.const ?? option.title),
    params: resolve(option.properties?.params ?? {}, schemas),
  }));
  return {kinds: kinds.filter(({kind}) => kind !== 'bulk_action'), schemas};
}
