import {svelte} from '@sveltejs/vite-plugin-svelte';
import {defineConfig} from 'vitest/config';

// The files that are built do not depend on the machine, so that a check may build them anew and compare.
export default defineConfig({
  base: '/console/',
  plugins: [svelte()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // a data: address is inline, which the content security policy refuses
    modulePreload: {polyfill: false},
    reportCompressedSize: false,
    rolldownOptions: {checks: {pluginTimings: false}},
  },
  test: {environment: 'node', include: ['src/**/*.test.ts']},
});
