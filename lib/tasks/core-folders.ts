/** The folders of lib that belong to the core. The modules directly in lib belong to it, too. */
export const coreFolders = ['call', 'gallery', 'row', 'tree'] as const;
