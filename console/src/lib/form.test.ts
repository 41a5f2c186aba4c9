import {expect, test} from 'vitest';
import {bounds, fieldOf, initial, kindsOf, problems, type Schema} from './form';

const all = {
  Lead: {type: 'object', required: ['phone'], properties: {phone: {type: 'string', minLength: 1}, extras: {type: 'object'}}},
  Name: {type: 'string', maxLength: 40},
} satisfies Record<string, Schema>;
const campaign: Schema = {
  type: 'object',
  required: ['name', 'leads'],
  properties: {
    name: {$ref: '#/components/schemas/Name', title: 'Name'},
    leads: {type: 'array', items: {$ref: '#/components/schemas/Lead'}, minItems: 1, maxItems: 2},
    tries: {anyOf: [{type: 'integer', minimum: 1, maximum: 10}, {type: 'null'}]},
    cost: {anyOf: [{type: 'number', exclusiveMinimum: 0}, {type: 'string'}]},
    open: {type: 'boolean', default: false},
    words: {type: 'array', items: {type: 'string'}},
    route: {type: 'string', enum: ['near', 'far']},
    odd: {anyOf: [{type: 'string'}, {type: 'object'}]},
  },
};

test.each([
  ['name', 'text', false],
  ['leads', 'list', false],
  ['tries', 'integer', true],
  ['cost', 'number', false],
  ['open', 'boolean', false],
  ['words', 'lines', false],
  ['route', 'choice', false],
  ['odd', 'json', false],
])('%s is edited by a field of type %s', (name, type, nullable) => {
  const field = fieldOf(campaign.properties?.[name] ?? {}, all);
  expect([field.type, field.nullable]).toEqual([type, nullable]);
});

test('a form begins with what is needed and what has a default', () => {
  expect(initial(campaign, all)).toEqual({name: '', leads: [], open: false});
  expect(initial(all.Lead, all)).toEqual({phone: ''});
});

test('what is wrong is said at its field', () => {
  const value = {name: 'x'.repeat(41), leads: [{phone: ''}], tries: 11, cost: 0};
  expect(problems(value, campaign, all)).toEqual({
    '/name': 'form.tooLong',
    '/leads/0/phone': 'form.required',
    '/tries': 'form.outOfBounds',
    '/cost': 'form.outOfBounds',
  });
  expect(problems({name: 'x', leads: []}, campaign, all)).toEqual({'/leads': 'form.count'});
  expect(problems({name: 'x', leads: [{phone: '1'}], tries: 1.5}, campaign, all)).toEqual({'/tries': 'form.notANumber'});
  expect(problems({name: 'x', leads: [{phone: '1'}], tries: undefined}, campaign, all)).toEqual({});
});

test('bounds are said, but for that something must be there', () => {
  expect(bounds({minLength: 1, maxLength: 9})).toEqual([['bound.maxLength', 9]]);
  expect(bounds({minLength: 2})).toEqual([['bound.minLength', 2]]);
});

test('kinds and what they take come from the API’s document', () => {
  const params = {$ref: '#/components/schemas/Lead'};
  const oneOf = ['calls', 'bulk_action'].map((kind) => ({properties: {kind: {const: kind}, params}}));
  const {kinds} = kindsOf({components: {schemas: {...all, SubmitRequest: {oneOf}}}});
  expect(kinds).toEqual([{kind: 'calls', params: all.Lead}]);
});
