import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist/', 'public/assets/', '.vercel/', 'coverage/', '**/node_modules/'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'max-lines': ['error', { max: 350 }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-console': 'error',
      // A third of the linter's time for next to nothing: no enum is declared here, and the compiler tells classes apart.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
    },
  },
  { files: ['**/*.js'], ...tseslint.configs.disableTypeChecked },
  { files: ['lib/services/vendor-lines.ts'], rules: { 'no-console': 'off' } },
  { files: ['api/**/*.ts'], rules: { 'max-lines': ['error', { max: 30 }] } },
  {
    // With fixed seeds: tests/support/fast-check.ts.
    files: ['tests/**/*.ts'],
    ignores: ['tests/hunt/**', 'tests/support/fast-check.ts'],
    rules: { 'no-restricted-imports': ['error', 'fast-check'] },
  },
  prettier,
);
