import {expect, test} from 'vitest';
import {decode, guess, leadsOf, rowsOf, written} from './csv';

const GBK = new Uint8Array([0xd0, 0xd5, 0xc3, 0xfb, 0x2c, 0xb5, 0xe7, 0xbb, 0xb0]); // 姓名,电话

test('a file is read as its spreadsheet wrote it', () => {
  expect(decode(GBK)).toBe('姓名,电话');
  expect(decode(new Uint8Array([0xef, 0xbb, 0xbf, 0xe5, 0xa7, 0x93]))).toBe('姓');
  expect(decode(new Uint8Array([0xff, 0xfe, 0xd3, 0x59]))).toBe('姓');
});

test('a row knows its line, also behind empty lines and line breaks in a cell', () => {
  const rows = rowsOf('a,b\r\n\r\n"x\r\ny",1\r\nz,2\r\n');
  expect(rows).toEqual([
    {line: 1, cells: ['a', 'b']},
    {line: 3, cells: ['x\r\ny', '1']},
    {line: 5, cells: ['z', '2']},
  ]);
});

test('columns are guessed by their names, each once', () => {
  expect(guess(['姓名', '手机号', '编号', '备注', '电话'])).toEqual(['name', 'phone', 'leads_id', '', '']);
  expect(guess(['leads_id', 'phone', 'name'])).toEqual(['leads_id', 'phone', 'name']);
});

test('what is wrong with a row is said by its line, and the others are leads', () => {
  const [head, ...rows] = rowsOf(
    'id,phone,name,dept\nA,13800138000,王,口腔\nB,12345,李,\nC,+86 138-0013-8000,张,\nA,13800138001,赵,\nD,,钱,\n,13800138002,,\nE,13800138003,孙,x,y\n',
  );
  const {leads, faults} = leadsOf(head?.cells ?? [], rows, ['leads_id', 'phone', 'name', 'extra']);
  expect(leads.map(({lead}) => lead)).toEqual([
    {leads_id: 'A', phone: '13800138000', name: '王', extras: {dept: '口腔'}},
    {leads_id: 'L-7', phone: '13800138002'},
  ]);
  expect(faults.map(({line, what}) => [line, what])).toEqual([
    [3, 'phone'],
    [4, 'twicePhone'],
    [5, 'twiceId'],
    [6, 'noPhone'],
    [8, 'cells'],
  ]);
});

test('what is exported is no formula', () => {
  expect(written([[2, '=1+1']])).toBe('\ufeff2,"\'=1+1"\r\n');
  expect(written([['=1+1\nx', '\n=2']])).toBe('\ufeff"\'=1+1\nx","\'\n=2"\r\n');
  expect(written([['-9007199254740993', '-1+1']])).toBe('\ufeff-9007199254740993,"\'-1+1"\r\n');
});
